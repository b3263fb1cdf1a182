// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "noxs/backend.hpp"
#include "noxs/wire/console_ring.hpp"

namespace noxs {

/// How fast one guest's output is taken. The defaults let a boot log of 64 KiB through at once, and bound what one
/// guest can make the daemon write to about a megabyte a second. 0 bytes per second counts as 1.
struct ConsoleThrottle {
    std::uint32_t bytes_per_second{1 << 20};
    std::uint32_t burst{64 << 10};  ///< at least the size of the ring
};

/// A token bucket: one token a byte.
class Throttle {
 public:
    explicit Throttle(ConsoleThrottle settings)
        : settings_{std::max(settings.bytes_per_second, 1U), std::max(settings.burst, ring_size)},
          tokens_(settings_.burst) {}

    /// Lets time pass. The bucket starts full.
    void refill(Clock::time_point now) {
        const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(now - filled_).count();
        if (passed <= 0) {
            return;
        }
        const auto full_us = settings_.burst * 1'000'000ULL / settings_.bytes_per_second + 1;
        const auto us = std::min<std::uint64_t>(static_cast<std::uint64_t>(passed), full_us);
        const auto gained = us * settings_.bytes_per_second / 1'000'000;
        if (gained == 0) {
            return;  // `filled_` stays, so that short steps add up
        }
        tokens_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(tokens_ + gained, settings_.burst));
        filled_ = now;
    }

    std::uint32_t tokens() const { return tokens_; }
    /// Takes tokens, at most those that are there.
    void spend(std::uint32_t count) { tokens_ -= std::min(count, tokens_); }

    /// The bucket ran dry with work left: when to go on. A quarter of a burst at once, not byte by byte.
    Clock::time_point stop(Clock::time_point now) {
        ++stops_;
        const auto quarter = std::chrono::microseconds(std::max(settings_.burst / 4, ring_size) * 1'000'000ULL /
                                                       settings_.bytes_per_second);
        resume_ = now + std::max<Clock::duration>(quarter, std::chrono::milliseconds(1));
        return resume_;
    }
    /// The time named by `stop`; long past before the first one.
    Clock::time_point resume() const { return resume_; }
    std::uint32_t stops() const { return stops_; }

 private:
    static constexpr std::uint32_t ring_size = sizeof(wire::ConsoleRing::out);

    ConsoleThrottle settings_;
    std::uint32_t tokens_;
    std::uint32_t stops_{0};
    Clock::time_point filled_{};
    Clock::time_point resume_{};
};

}  // namespace noxs
