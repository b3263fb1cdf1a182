// SPDX-License-Identifier: Apache-2.0
// What Xen has of time beside the clock that it shares with others (pvclock.hpp).
#pragma once

#include <cstdint>

#include "guest-shims/platform/platform.hpp"
#include "guest-shims/platform/xen/interface.hpp"
#include "guest-shims/runtime/shared.hpp"

namespace guest::xen {

/// Unix time in ns at system time 0.
inline std::uint64_t wall_clock_base(const SharedInfo& info) {
    for (;;) {
        const std::uint32_t version = load_acquire(info.wc_version);
        const std::uint64_t seconds = std::uint64_t{load_acquire(info.wc_sec_hi)} << 32 | load_acquire(info.wc_sec);
        const std::uint32_t ns = load_acquire(info.wc_nsec);
        if ((version & 1) == 0 && load_acquire(info.wc_version) == version) {
            return seconds * ns_per_second + ns;
        }
    }
}

/// The absolute form of `timeout`, as SCHEDOP_poll takes it: never 0, which would mean none, and not beyond the end of
/// Xen's time, which is signed.
constexpr std::uint64_t deadline(std::uint64_t now, std::uint64_t timeout) {
    constexpr std::uint64_t end = INT64_MAX;
    return timeout < end - now ? (now + timeout) | 1 : end;
}

}  // namespace guest::xen
