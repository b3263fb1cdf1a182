// SPDX-License-Identifier: Apache-2.0
// Time from the page that Xen shares with the guest (xen.h: vcpu_time_info, shared_info): no exit.
#pragma once

#include <cstdint>

#include "guest-shims/platform/xen/interface.hpp"
#include "guest-shims/runtime/shared.hpp"

namespace guest::xen {

inline constexpr std::uint64_t ns_per_second = 1'000'000'000;

__extension__ using Uint128 = unsigned __int128;

/// `ticks` of the TSC in ns: ticks * mul * 2^(shift - 32), wide enough for any number of ticks. Xen's shifts are
/// between -31 and 31.
constexpr std::uint64_t ticks_to_ns(std::uint64_t ticks, std::uint32_t mul, std::int8_t shift) {
    return static_cast<std::uint64_t>((static_cast<Uint128>(ticks) * mul) >> (32 - shift));
}

/// Xen's system time when the TSC is what `read_tsc` returns. The TSC is read between the two looks at `version`: a
/// move to another CPU changes both. A domain's TSC begins at 0 when it is made, so that a stamp from before is negative.
template <class ReadTsc>
std::uint64_t system_time(const VcpuTimeInfo& time, ReadTsc read_tsc) {
    for (;;) {
        const std::uint32_t version = load_acquire(time.version);
        const std::uint64_t since = load_acquire(time.tsc_timestamp);
        const std::uint64_t base = load_acquire(time.system_time);
        const std::uint32_t mul = load_acquire(time.tsc_to_system_mul);
        const std::int8_t shift = load_acquire(time.tsc_shift);
        const std::uint64_t tsc = read_tsc();
        if ((version & 1) == 0 && load_acquire(time.version) == version) {
            const std::uint64_t ticks = tsc - since;
            return base + (ticks <= INT64_MAX ? ticks_to_ns(ticks, mul, shift) : 0);
        }
    }
}

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
