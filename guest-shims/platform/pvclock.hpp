// SPDX-License-Identifier: Apache-2.0
// Time from the time stamp counter and a page that the hypervisor writes (Xen, public/xen.h: vcpu_time_info): no exit.
#pragma once

#include <cstdint>

#include "base/vcpu_time_info.hpp"
#include "guest-shims/runtime/shared.hpp"

namespace guest {

__extension__ using Uint128 = unsigned __int128;

/// `ticks` of the TSC in ns: ticks * mul * 2^(shift - 32), wide enough for any number of ticks. Shifts are between -31
/// and 31.
constexpr std::uint64_t ticks_to_ns(std::uint64_t ticks, std::uint32_t mul, std::int8_t shift) {
    return static_cast<std::uint64_t>((static_cast<Uint128>(ticks) * mul) >> (32 - shift));
}

/// The time stamp counter, read after all that stands before.
inline std::uint64_t read_tsc() {
    std::uint32_t low;
    std::uint32_t high;
    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return std::uint64_t{high} << 32 | low;
}

/// The hypervisor's system time in ns when the TSC is what `read` returns. The TSC is read between the two looks at
/// `version`: a move to another CPU changes both. A domain's TSC may begin when it is made, so that a stamp from before
/// is negative.
template <class ReadTsc>
std::uint64_t system_time(const base::VcpuTimeInfo& time, ReadTsc read) {
    for (;;) {
        const std::uint32_t version = load_acquire(time.version);
        const std::uint64_t since = load_acquire(time.tsc_timestamp);
        const std::uint64_t base = load_acquire(time.system_time);
        const std::uint32_t mul = load_acquire(time.tsc_to_system_mul);
        const std::int8_t shift = load_acquire(time.tsc_shift);
        const std::uint64_t tsc = read();
        if ((version & 1) == 0 && load_acquire(time.version) == version) {
            const std::uint64_t ticks = tsc - since;
            return base + (ticks <= INT64_MAX ? ticks_to_ns(ticks, mul, shift) : 0);
        }
    }
}

}  // namespace guest
