// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "noxs/backend.hpp"

namespace noxs {

/// So much in a second on average, and `burst` at once. Starts full. A take may overdraw it: what is one thing (a packet,
/// a flood) is not cut. The level is kept as the time at which the bucket was empty.
class TokenBucket {
 public:
    TokenBucket(std::uint64_t per_second, std::uint64_t burst)
        : per_second_(std::max<std::uint64_t>(per_second, 1)), full_(cost(burst)) {}

    /// Whether there is a token.
    bool ready(Clock::time_point now) const { return empty_at_ < now; }
    /// When there will be one.
    Clock::time_point ready_at() const { return empty_at_ + std::chrono::nanoseconds(1); }
    void take(Clock::time_point now, std::uint64_t tokens) {
        empty_at_ = std::max(empty_at_, now - full_) + cost(tokens);
    }
    bool try_take(Clock::time_point now, std::uint64_t tokens) {
        if (!ready(now)) {
            return false;
        }
        take(now, tokens);
        return true;
    }

 private:
    /// 128 bits: a burst of bits times a billion.
    std::chrono::nanoseconds cost(std::uint64_t tokens) const {
        __extension__ using Wide = unsigned __int128;
        const Wide ns = static_cast<Wide>(tokens) * 1'000'000'000U / per_second_;
        return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min<Wide>(ns, longest)));
    }
    static constexpr std::uint64_t longest = 3'600'000'000'000;  ///< an hour in ns

    std::uint64_t per_second_;
    std::chrono::nanoseconds full_;
    Clock::time_point empty_at_{};
};

}  // namespace noxs
