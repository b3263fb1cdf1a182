// SPDX-License-Identifier: Apache-2.0
// What this platform uses of Xen's public headers (xen/include/public/, release 4.17), 64-bit forms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/vcpu_time_info.hpp"

namespace guest::xen {

// arch-x86/cpuid.h: XEN_CPUID_FIRST_LEAF, XEN_CPUID_SIGNATURE_*; leaf +2: ebx is the MSR of the hypercall page
inline constexpr std::uint32_t cpuid_first_leaf = 0x40000000;
inline constexpr std::uint32_t cpuid_leaf_step = 0x100;
inline constexpr std::uint32_t cpuid_last_leaf = 0x40010000;
inline constexpr std::uint32_t cpuid_signature[3] = {0x566e6558, 0x65584d4d, 0x4d4d566e};  // "XenVMMXenVMM"
inline constexpr std::uint32_t cpuid_msr_leaf = 2;

// xen.h: __HYPERVISOR_*
inline constexpr unsigned hypercall_memory = 12;
inline constexpr unsigned hypercall_sched = 29;
inline constexpr unsigned hypercall_event_channel = 32;
inline constexpr unsigned hypercall_none = 63;  // no such call: they end at 55

inline constexpr std::uint16_t domid_self = 0x7ff0;  // xen.h: DOMID_SELF

// memory.h: XENMEM_add_to_physmap and its argument
inline constexpr unsigned memory_add_to_physmap = 7;
inline constexpr std::uint32_t mapspace_shared_info = 0;
inline constexpr std::uint32_t mapspace_grant_table = 1;
struct AddToPhysmap {
    std::uint16_t domid;  //  0
    std::uint16_t size;   //  2
    std::uint32_t space;  //  4
    std::uint64_t index;  //  8
    std::uint64_t gfn;    // 16
};
static_assert(sizeof(AddToPhysmap) == 24 && offsetof(AddToPhysmap, gfn) == 16);

// sched.h: SCHEDOP_*, SHUTDOWN_*
inline constexpr unsigned sched_shutdown = 2;
inline constexpr unsigned sched_poll = 3;
inline constexpr std::uint32_t shutdown_poweroff = 0;
inline constexpr std::uint32_t shutdown_crash = 3;
struct SchedPoll {
    const std::uint32_t* ports;  //  0
    std::uint32_t nr_ports;      //  8  at most 128 (common/sched/core.c: do_poll)
    std::uint32_t padding;       // 12
    std::uint64_t timeout;       // 16  absolute system time in ns; 0: none
};
static_assert(sizeof(SchedPoll) == 24 && offsetof(SchedPoll, timeout) == 16);

// event_channel.h: EVTCHNOP_*
inline constexpr unsigned evtchn_close = 3;
inline constexpr unsigned evtchn_send = 4;

// xen.h: struct vcpu_info
struct VcpuInfo {
    std::uint8_t upcall_pending;  //  0
    std::uint8_t upcall_mask;     //  1
    std::uint8_t padding[6];      //  2
    std::uint64_t pending_sel;    //  8
    std::uint64_t arch[2];        // 16
    base::VcpuTimeInfo time;      // 32
};
static_assert(sizeof(VcpuInfo) == 64 && offsetof(VcpuInfo, time) == 32);

// xen.h: struct shared_info
struct SharedInfo {
    VcpuInfo vcpu_info[32];            //    0  XEN_LEGACY_MAX_VCPUS
    std::uint64_t evtchn_pending[64];  // 2048
    std::uint64_t evtchn_mask[64];     // 2560
    std::uint32_t wc_version;          // 3072  odd: being written
    std::uint32_t wc_sec;              // 3076  wall clock at system time 0
    std::uint32_t wc_nsec;             // 3080
    std::uint32_t wc_sec_hi;           // 3084
};
static_assert(offsetof(SharedInfo, evtchn_pending) == 2048 && offsetof(SharedInfo, evtchn_mask) == 2560);
static_assert(offsetof(SharedInfo, wc_version) == 3072 && sizeof(SharedInfo) == 3088);
static_assert(std::has_unique_object_representations_v<SharedInfo>);

}  // namespace guest::xen
