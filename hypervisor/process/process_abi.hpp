// SPDX-License-Identifier: Apache-2.0
// What a guest of the process driver sees: fixed addresses, the event page, and the calls that its confinement
// allows. Self-contained and freestanding: chaos-hv, the driver and guest-shims/platform/process include it.
//
// Guest-physical address = virtual address. Nothing is mapped that is not listed here.
//
//   0x010000  trampoline     r-x  the driver's: park, jump to the guest, crash handler
//   0x011000  start info     r--  hvm_start_info, memory map, modules, command line
//   0x012000  device page    r--  noxs
//   0x014000  event page     rw-  EventPage below
//   0x015000  control pages  rw-  noxs, up to 104
//   0x07d000  signal stack   rw-  used by the crash handler only
//   0x0e0000  grant table    rw-  Xen grant table v1, 8 frames (4096 entries)
//   0x0e8000  (unmapped up to 1 MiB: catches a stack that runs over)
//   0x100000  RAM            rwx  up to the domain's memory size
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hypervisor::process::abi {

inline constexpr std::uint64_t trampoline_gpa = 0x10000;
inline constexpr std::uint64_t start_info_gpa = 0x11000;
inline constexpr std::uint64_t device_page_gpa = 0x12000;
inline constexpr std::uint64_t read_only_end = 0x13000;
inline constexpr std::uint64_t event_page_gpa = 0x14000;
inline constexpr std::uint64_t control_gpa = 0x15000;
inline constexpr std::uint64_t signal_stack_gpa = 0x7d000;
inline constexpr std::uint64_t signal_stack_end = 0x85000;
inline constexpr std::uint64_t grant_table_gpa = 0xe0000;
inline constexpr std::uint64_t grant_table_end = 0xe8000;
inline constexpr std::uint64_t ram_gpa = 0x100000;

// Where guests built from guest-shims have the top of their stack and the first of their contents: pages that are given
// before the launch. A guest that lies elsewhere runs as well, and faults its pages in.
inline constexpr std::uint64_t warm_stack_gpa = 0x10f000;
inline constexpr std::uint64_t warm_stack_end = 0x110000;
inline constexpr std::uint64_t warm_image_gpa = 0x110000;
inline constexpr std::uint64_t warm_image_end = 0x113000;

inline constexpr unsigned grant_entries = (grant_table_end - grant_table_gpa) / 8;
inline constexpr unsigned max_ports = 128;  ///< ports 1 .. 127
/// All network and disk devices of a domain share this one; it and those above are the data lane's.
inline constexpr std::uint32_t data_port = 64;

/// In the order of Linux's signal frame (sys/ucontext.h: gregs).
struct CrashRegisters {
    std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp;
    std::uint64_t rip;     // 128
    std::uint64_t rflags;  // 136
};
static_assert(sizeof(CrashRegisters) == 144 && offsetof(CrashRegisters, rip) == 128);

/// State of the two-way event channels of one domain, and the hand-over at launch.
///
/// Guest -> toolstack: set the port's bit in `to_host`; if that word was 0 before, write 8 bytes (a native u64 of 1) to
/// doorbell_fd, or, for ports from data_port up where `data_doorbell` is 1, to data_doorbell_fd. Toolstack -> guest: it sets the bit in `to_guest`, adds 1 to `wake`, and wakes the futex `wake`.
/// The guest waits with futex(&wake, FUTEX_WAIT, value it read before it looked at the pending bits, timeout).
struct EventPage {
    std::uint64_t to_guest[2];  //   0  pending ports, toolstack -> guest; guest clears by exchange with 0
    std::uint64_t to_host[2];   //  16  pending ports, guest -> toolstack; toolstack clears by exchange with 0
    std::uint32_t wake;         //  32  futex; counts notifications
    std::uint32_t blocked;      //  36  guest sets 1 around its wait: "blocked" in `chaos list`
    std::uint32_t boot;         //  40  boot_* below, written by the toolstack
    std::uint32_t
        data_doorbell;         //  44  1: there is a second doorbell. Written before the launch; only the guest reads it
    std::uint64_t entry;       //  48  first instruction of the guest
    std::uint64_t start_info;  //  56  its first argument
    // Filled by the crash handler in the guest's own process: believed for display only.
    std::uint32_t crash_signal;      //  64  0: none
    std::uint32_t crash_code;        //  68  si_code
    std::uint64_t crash_addr;        //  72  si_addr
    CrashRegisters crash_registers;  //  80
};
static_assert(sizeof(EventPage) == 224 && offsetof(EventPage, wake) == 32 && offsetof(EventPage, boot) == 40);
static_assert(offsetof(EventPage, data_doorbell) == 44);
static_assert(offsetof(EventPage, entry) == 48 && offsetof(EventPage, crash_signal) == 64);
static_assert(std::has_unique_object_representations_v<EventPage>);

inline constexpr std::uint32_t boot_parked = 0;
inline constexpr std::uint32_t boot_loaded = 1;
inline constexpr std::uint32_t boot_go = 2;

/// At entry: rdi = start info address, rsi = platform_id, other general registers 0, rsp undefined.
inline constexpr std::uint64_t platform_id = 1;

/// The only open descriptors; the second where EventPage::data_doorbell says so.
inline constexpr int doorbell_fd = 3;
inline constexpr int data_doorbell_fd = 4;

// The allowed system calls (Linux x86-64 numbers). Anything else, or other arguments, ends the domain.
//   write(doorbell_fd or data_doorbell_fd, any, 8)
//   futex(event_page_gpa + 32, FUTEX_WAIT = 0, any, timeout or null)     relative timeout, CLOCK_MONOTONIC
//   clock_gettime(CLOCK_REALTIME = 0 or CLOCK_MONOTONIC = 1, any)
//   getrandom(any, at most 256, 0)
//   exit_group(any)
//   restart_syscall()     the kernel's: goes on with a futex call that a pause interrupted
inline constexpr long nr_write = 1;
inline constexpr long nr_futex = 202;
inline constexpr long nr_restart_syscall = 219;
inline constexpr long nr_clock_gettime = 228;
inline constexpr long nr_exit_group = 231;
inline constexpr long nr_getrandom = 318;

}  // namespace hypervisor::process::abi
