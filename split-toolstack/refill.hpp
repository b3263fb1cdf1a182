// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "split-toolstack/flavour.hpp"

namespace split {

/// The thread that keeps the flavours at their targets. It runs at low priority; while launches run it waits for a
/// pause of `quiet` between them, unless a flavour is low. With nothing to do it sleeps without a timer.
class Refill {
 public:
    /// Prepares one shell; called on the refill thread.
    using Prepare = std::function<Result<std::unique_ptr<Shell>>(const Shape&)>;

    static constexpr auto quiet = std::chrono::milliseconds(2);
    static constexpr auto first_backoff = std::chrono::milliseconds(10);
    static constexpr auto last_backoff = std::chrono::seconds(5);

    /// `capacity`: domains and shells that may exist at once.
    static Result<std::unique_ptr<Refill>> start(Prepare prepare, unsigned capacity);
    /// Waits for the prepare that is under way, if any.
    ~Refill();

    // ---- main thread

    void add(std::shared_ptr<Flavour> flavour);
    /// Changes what `flavour` shall be. A shell for it that is in the making and too many now is not parked.
    void configure(Flavour& flavour, const FlavourSettings& settings);
    /// Lets the target of `flavour` fall, if it is time for that.
    void decay(Flavour& flavour, Clock::time_point now);
    /// After it nothing is parked in `flavour` any more.
    void remove(const std::shared_ptr<Flavour>& flavour);
    /// Adds what only the refill knows to `status`.
    void complete(const Flavour& flavour, FlavourStatus& status) const;

    /// A launch is done. Hot: a system call only if the thread sleeps and must not. Otherwise the sleeper is woken by
    /// `tick` in a quieter moment: waking it here would take the processor from the guest that has just been started.
    void launched(Clock::time_point now, const Flavour* flavour);
    /// When `tick` has something to do.
    std::optional<Clock::time_point> deadline() const { return wake_at_; }
    void tick(Clock::time_point now);
    /// How many domains live now: they count against the capacity.
    void set_domains(unsigned domains) { domains_.store(domains, std::memory_order_seq_cst); }
    /// Something changed (a target, a domain gone): look again.
    void wake();

 private:
    enum class Sleep : std::uint8_t { awake, timed, endless };
    struct Step {
        std::shared_ptr<Flavour> flavour;        ///< prepare one for it,
        std::optional<Clock::time_point> until;  ///< or sleep until then; nothing: until woken
    };

    Refill(Prepare prepare, unsigned capacity, base::Fd wakeup);
    void run();
    Step pick(Clock::time_point now) const;
    void fill(const std::shared_ptr<Flavour>& flavour);
    void note_failure(Flavour& flavour, const base::Error& error);
    void sleep();
    void ring();

    Prepare prepare_;
    unsigned capacity_;
    base::Fd wakeup_;           // eventfd
    mutable std::mutex mutex_;  // flavours_ and every Flavour::refill
    std::vector<std::shared_ptr<Flavour>> flavours_;
    std::atomic<unsigned> domains_{0};
    std::atomic<Clock::rep> last_launch_;
    std::atomic<Sleep> sleep_{Sleep::awake};
    std::atomic<bool> stop_{false};
    std::optional<Clock::time_point> wake_at_;  // main thread
    std::thread thread_;
};

}  // namespace split
