// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "split-toolstack/demand.hpp"
#include "split-toolstack/shape.hpp"
#include "split-toolstack/shell.hpp"
#include "split-toolstack/spsc_ring.hpp"
#include "split-toolstack/toolstack.hpp"

namespace split {

/// The most shells of one flavour.
inline constexpr unsigned max_shells = 4096;

/// The shape that the flavour's shells have.
Shape shape_of(const FlavourSettings& settings);

/// The shells of one shape. The refill thread pushes, the main thread claims; each field says whose it is.
class Flavour {
 public:
    explicit Flavour(const FlavourSettings& settings);
    /// Destroys what is still parked.
    ~Flavour();

    const Shape& shape() const { return shape_; }

    // ---- main thread

    /// Takes a parked shell, or null. Hot: no lock, no allocation.
    std::unique_ptr<Shell> claim(Clock::time_point now);
    /// Takes a parked shell to destroy it: no demand is counted.
    std::unique_ptr<Shell> take_back();
    /// Takes the shell of domain `id` out, if it is parked here.
    std::unique_ptr<Shell> take_dead(base::DomId id);
    void configure(const FlavourSettings& settings);
    void decay(Clock::time_point now);
    const Demand& demand() const { return demand_; }
    /// More parked than the target asks for.
    bool overfull() const { return level() > target(); }
    /// All but `prepared` and `last_error`, which the refill knows.
    FlavourStatus status() const;

    // ---- refill thread

    /// False: no room.
    bool park(std::unique_ptr<Shell>& shell);

    // ---- any thread

    unsigned level() const { return level_.load(std::memory_order_seq_cst); }
    unsigned target() const { return target_.load(std::memory_order_seq_cst); }
    bool lacking() const { return level() < target(); }
    /// So few left that the refill works even while launches run.
    bool low() const { return lacking() && level() <= target() / 4; }

    /// Of the refill; guarded by its mutex.
    struct RefillState {
        bool retired{false};  ///< removed from the pool: nothing may be parked any more
        std::uint64_t prepared{0};
        std::chrono::milliseconds backoff{0};
        Clock::time_point retry_at{};
        std::string last_error;
    };
    RefillState refill;

 private:
    std::unique_ptr<Shell> next();
    void publish_target();

    Shape shape_;
    FlavourSettings settings_;                   // main
    Demand demand_;                              // main
    std::vector<std::unique_ptr<Shell>> stash_;  // main: taken from the ring to look for a dead one
    std::uint64_t hits_{0};                      // main
    std::uint64_t misses_{0};                    // main
    SpscRing<Shell*, max_shells> ring_;
    std::atomic<unsigned> level_{0};
    std::atomic<unsigned> target_{0};
};

}  // namespace split
