// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "split-toolstack/timing.hpp"

namespace split {

/// Nanoseconds as Timing keeps them: at least 1 for a phase that took place, at most about 4.29 s.
inline std::uint32_t timing_ns(std::chrono::nanoseconds duration) {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration.count(), 1, UINT32_MAX));
}

/// Times phases one after the other: each `lap` charges the time since the last one.
class Stopwatch {
 public:
    using Clock = std::chrono::steady_clock;

    explicit Stopwatch(Timing& timing) : timing_(timing), last_(Clock::now()) {}

    Clock::time_point lap(Phase phase) {
        const auto now = Clock::now();
        auto& slot = timing_[static_cast<std::size_t>(phase)];
        slot = timing_ns(std::chrono::nanoseconds(slot) + (now - last_));
        last_ = now;
        return now;
    }

    /// What happened since the last lap is not to be charged.
    void restart() { last_ = Clock::now(); }

 private:
    Timing& timing_;
    Clock::time_point last_;
};

}  // namespace split
