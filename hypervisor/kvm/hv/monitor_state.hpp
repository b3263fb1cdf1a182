// SPDX-License-Identifier: Apache-2.0
// What is left in the process of a kvm domain once it is confined, and how the code that stays (monitor.cpp) finds it.
// Self-contained and freestanding. Host addresses, below the guest's memory so that one page of page tables serves all:
//
//   0x010000  monitor        r-x  monitor.cpp and the system call filter, sealed, shared by all domains
//   0x020000  state          rw-  MonitorState, shared with chaos-hv
//   0x030000  stacks         rw-  one page a vCPU
//   0x080000  vCPUs          rw-  struct kvm_run of each, shared with the kernel
//   0x200000  guest memory   rw-  guest-physical address + guest_at; the page tables behind it
//
// Descriptors: 3 doorbell, first_vcpu_fd + i the vCPUs. Nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "hypervisor/kvm/kvm_abi.hpp"

namespace hypervisor::kvm {

inline constexpr std::uint64_t monitor_at = 0x10000;
inline constexpr std::uint64_t state_at = 0x20000;
inline constexpr std::uint64_t stacks_at = 0x30000;
inline constexpr std::uint64_t stack_size = 0x1000;
inline constexpr std::uint64_t runs_at = 0x80000;
inline constexpr std::uint64_t guest_at = 0x200000;
static_assert(stacks_at + abi::max_vcpus * stack_size <= runs_at);

inline constexpr int first_vcpu_fd = 6;

/// Why a virtual machine can't go on.
enum class Stop : std::uint32_t {
    none = 0,
    shutdown = 1,  ///< a fault that nothing handles: triple fault
    port = 2,      ///< a port, or a way to use it, that there is not
    memory = 3,    ///< the host could not give a page
    failed = 4,    ///< KVM_RUN failed; detail: errno
    exit = 5,      ///< KVM came back for another reason; detail: its exit reason (linux/kvm.h: KVM_EXIT_*)
};

/// What the monitor leaves of such a machine. All zero before.
struct StopRecord {
    Stop why;                       //  0
    std::uint32_t detail;           //  4
    std::uint64_t address;          //  8  of the last page fault (CR2)
    abi::CrashRegisters registers;  // 16  rflags 0: not known
};
static_assert(sizeof(StopRecord) == 160 && std::has_unique_object_representations_v<StopRecord>);

/// In a page of the domain's memory file behind the page tables, outside the machine's memory: chaos-hv reads it after
/// the end, no guest can reach it.
struct MonitorState {
    std::uint32_t vcpus;               //  0
    std::uint32_t run_size;            //  4  bytes from one vCPU's kvm_run to the next's
    std::uint64_t filter_count;        //  8  system call filter: instructions
    std::uint64_t filter;              // 16  and where
    std::uint32_t warmed_up;           // 24  futex: vCPUs but the first that wait in the stub
    std::uint32_t started;             // 28  vCPUs that run the guest
    std::uint32_t waiting;             // 32  of those, the ones that wait for an event
    std::uint32_t arrived;             // 36  futex: threads but the first that have left chaos-hv's code
    StopRecord stop;                   // 40
    std::uint32_t stopping;            // 200  futex; 1: a vCPU writes that
    std::uint32_t reserved;            // 204
    std::uint32_t go[abi::max_vcpus];  // 208  futexes, not the first: go_* below
};
static_assert(offsetof(MonitorState, go) == 208 && sizeof(MonitorState) <= 4096 &&
              std::has_unique_object_representations_v<MonitorState>);

inline constexpr std::uint32_t go_not = 0;
inline constexpr std::uint32_t go_warm_up = 1;
inline constexpr std::uint32_t go_run = 2;

// Where monitor.cpp begins, in front of everything else (monitor_entry.S): two jumps.
inline constexpr std::uint64_t monitor_main_at = monitor_at;      ///< rdi, rsi: what to unmap
inline constexpr std::uint64_t monitor_vcpu_at = monitor_at + 8;  ///< rdi: number of the vCPU; on its own stack

/// The process exits with this then; a guest may choose the same code, and leaves no record.
inline constexpr int exit_stopped = 125;

// Exit codes of a process that never became a domain; the first two as the process driver's.
inline constexpr int exit_unmap = 250;
inline constexpr int exit_filter = 251;
inline constexpr int exit_first_run = 252;

}  // namespace hypervisor::kvm
