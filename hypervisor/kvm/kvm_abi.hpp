// SPDX-License-Identifier: Apache-2.0
// What a guest of the kvm driver sees, where that differs from the process driver, whose addresses, event page and
// rules of event channels it shares (process_abi.hpp). Self-contained and freestanding: the driver's side in chaos-hv
// and guest-shims/platform/kvm include it.
//
// The guest runs in 64-bit mode at privilege level 3 from its first instruction, with interrupts off and no interrupt
// table: whatever faults ends the domain. Guest-physical address = virtual address. Nothing is mapped that is not
// listed here; the page tables lie behind RAM, outside the map.
//
//   0x010000  stub page      r-x  the driver's: where a vCPU waits to be started; task state with the port bitmap
//   0x011000  start info     r--
//   0x012000  device page    r--
//   0x014000  event page     rw-  process_abi.hpp: EventPage; at machine_page_offset MachinePage below
//   0x015000  control pages  rw-
//   0x0e0000  grant table    rw-
//   0x0e8000  (unmapped up to 1 MiB: catches a stack that runs over)
//   0x100000  RAM            rwx  up to the domain's memory size
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/vcpu_time_info.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace hypervisor::kvm::abi {

using namespace process::abi;

inline constexpr std::uint64_t stub_gpa = trampoline_gpa;

/// At entry of vCPU 0: rdi = start info address, rsi = platform_id, other general registers 0, rsp undefined. SSE, and
/// AVX where the host has it, are enabled and in their initial state.
inline constexpr std::uint64_t platform_id = 2;

// I/O ports that the guest may write: 32 bits at a time, `out`. Everything else about ports, `in` too, ends the domain.
// Four apart, because the processor looks at the permission of each byte.
inline constexpr std::uint16_t port_doorbell = 0x10;  ///< as a write to the doorbell descriptor; the value is ignored
inline constexpr std::uint16_t port_wait = 0x14;      ///< sleeps until a port is pending or value microseconds are over
inline constexpr std::uint16_t port_shutdown =
    0x18;                                            ///< ends the domain; the low 8 bits of the value are its exit code
inline constexpr std::uint16_t port_entropy = 0x1c;  ///< fills MachinePage::entropy
inline constexpr std::uint16_t port_start_vcpu = 0x20;  ///< starts vCPU number value, as MachinePage::vcpus says
inline constexpr std::uint16_t port_park = 0x24;        ///< the stub's
/// As a write to the doorbell of the data lane; where EventPage::data_doorbell is 0 it ends the domain.
inline constexpr std::uint16_t port_data_doorbell = 0x28;
inline constexpr std::uint16_t port_end = 0x30;  ///< of what the processor allows

/// port_wait: no timeout.
inline constexpr std::uint32_t wait_forever = UINT32_MAX;

inline constexpr unsigned max_vcpus = 64;
/// One table of page directories (512 GiB), less the room for the tables themselves.
inline constexpr std::uint64_t max_memory = std::uint64_t{511} << 30;

/// How a vCPU other than 0 begins; written by the guest before it starts it. It runs `entry` with rdi = argument; the
/// entry must not return.
struct VcpuStart {
    std::uint64_t entry;     //  0
    std::uint64_t stack;     //  8  its rsp
    std::uint64_t argument;  // 16
};
static_assert(sizeof(VcpuStart) == 24);

inline constexpr std::uint64_t machine_page_offset = 1024;
inline constexpr std::uint64_t machine_page_gpa = event_page_gpa + machine_page_offset;

/// What the guest and the process around its virtual machine share beside event channels. The guest may write all of
/// it. `time` is the host's CLOCK_MONOTONIC at the launch, and not changed after that: version stays 0. It goes on by
/// the counter alone: a host whose own clock is slewed drifts away from it, by 0.5 ms a second at the worst.
struct MachinePage {
    base::VcpuTimeInfo time;     //   0
    std::uint64_t wall_base;     //  32  Unix time in ns where system time is 0
    std::uint32_t vcpu_count;    //  40
    std::uint32_t reserved0;     //  44
    std::uint8_t entropy[64];    //  48  fresh after each write to port_entropy
    std::uint64_t reserved1;     // 112
    VcpuStart vcpus[max_vcpus];  // 120  [0] is not used
};
static_assert(offsetof(MachinePage, entropy) == 48 && offsetof(MachinePage, vcpus) == 120);
static_assert(machine_page_offset + sizeof(MachinePage) <= 4096 && sizeof(EventPage) <= machine_page_offset);
static_assert(std::has_unique_object_representations_v<MachinePage>);

}  // namespace hypervisor::kvm::abi
