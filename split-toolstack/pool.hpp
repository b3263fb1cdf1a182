// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "split-toolstack/flavour.hpp"
#include "split-toolstack/refill.hpp"

namespace split {

/// Shells kept ready, by flavour. Which flavour serves a domain: the one of exactly its shape. Flavours exist
/// because they are configured, never because somebody asked for their shape once. Main thread only.
class Pool {
 public:
    /// `capacity`: domains and shells that may exist at once; 0: no bound of ours.
    static Result<Pool> open(Refill::Prepare prepare, unsigned capacity, const std::vector<FlavourSettings>& flavours);
    Pool(Pool&&) noexcept = default;
    Pool& operator=(Pool&&) noexcept = delete;
    /// Stops the refill and destroys the shells.
    ~Pool();

    /// Adds or changes the flavour of this shape; floor and ceiling 0 remove it and its shells. Errors:
    /// invalid_argument (floor above ceiling, ceiling above max_shells, no memory or vCPU), not_found (removes nothing).
    Result<void> set(const FlavourSettings& settings);

    struct Claim {
        std::unique_ptr<Shell> shell;  ///< null: none is parked, prepare one
        const Flavour* flavour{nullptr};
    };
    /// Takes a live shell of this shape. Hot: no lock, no allocation.
    Claim claim(const Shape& shape, Clock::time_point now);

    /// The launch that claimed from `flavour` (null: from none) is done: the refill may think of working.
    void launched(const Flavour* flavour, Clock::time_point now) { refill_->launched(now, flavour); }

    /// Gives one parked shell of any flavour back to the host, for a domain that would not fit otherwise. False: none.
    bool sacrifice();

    /// The driver says that domain `id`, which is not a running one, died: no shell of that id will be handed out.
    void shell_died(base::DomId id);

    /// How many domains live now.
    void set_domains(unsigned domains);

    /// When `tick` must be called: shells above a falling target are given back a few at a time.
    std::optional<Clock::time_point> deadline() const;
    void tick(Clock::time_point now);

    std::vector<FlavourStatus> status() const;

 private:
    Pool(std::unique_ptr<Refill> refill, unsigned capacity) : refill_(std::move(refill)), capacity_(capacity) {}
    std::shared_ptr<Flavour> find(const Shape& shape) const;
    void remove(const std::shared_ptr<Flavour>& flavour);
    Result<void> check(const FlavourSettings& settings) const;

    std::unique_ptr<Refill> refill_;
    unsigned capacity_;
    std::vector<std::shared_ptr<Flavour>> flavours_;
    Clock::time_point give_back_at_{};
    std::unordered_set<std::uint16_t> dead_;  // died before they were parked
};

}  // namespace split
