// SPDX-License-Identifier: Apache-2.0
// Time from the time stamp counter, as Xen's and KVM's paravirtual clocks tell it (Xen, public/xen.h: vcpu_time_info).
// Freestanding, self-contained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace base {

/// ns = system_time + ((tsc - tsc_timestamp) << tsc_shift, or >> -tsc_shift) * tsc_to_system_mul / 2^32.
struct VcpuTimeInfo {
    std::uint32_t version;            //  0  odd: being written
    std::uint32_t padding0;           //  4
    std::uint64_t tsc_timestamp;      //  8
    std::uint64_t system_time;        // 16  ns, at tsc_timestamp
    std::uint32_t tsc_to_system_mul;  // 24
    std::int8_t tsc_shift;            // 28
    std::uint8_t flags;               // 29
    std::uint8_t padding1[2];         // 30
};
static_assert(sizeof(VcpuTimeInfo) == 32 && offsetof(VcpuTimeInfo, tsc_shift) == 28);
static_assert(std::has_unique_object_representations_v<VcpuTimeInfo>);

}  // namespace base
