// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

namespace split {

/// How many shells of a flavour should be parked.
///
/// The rule: the target starts at the floor. A miss doubles it. A second with more launches than the target raises it
/// to their number. It never exceeds the ceiling. After `decay_after` in which no second saw more launches than half
/// the target, it is halved, and again, until it is back at the floor; there no timer runs.
class Demand {
 public:
    using Clock = std::chrono::steady_clock;
    static constexpr auto window = std::chrono::seconds(1);
    static constexpr auto decay_after = std::chrono::seconds(10);

    Demand(unsigned floor, unsigned ceiling);

    enum class Claim { hit, miss };
    void on_claim(Clock::time_point now, Claim claim);

    unsigned target() const { return target_; }

    /// When `decay` has something to do; nothing at the floor.
    std::optional<Clock::time_point> deadline() const { return decay_at_; }
    void decay(Clock::time_point now);

    /// New bounds; the target moves only as far as they force it.
    void set_bounds(unsigned floor, unsigned ceiling);

 private:
    void raise(unsigned target, Clock::time_point now);

    unsigned floor_;
    unsigned ceiling_;
    unsigned target_;
    unsigned window_claims_{0};
    Clock::time_point window_begin_{};
    std::optional<Clock::time_point> decay_at_;
};

}  // namespace split
