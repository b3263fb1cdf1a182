// SPDX-License-Identifier: Apache-2.0
// The monitor's system calls. Freestanding.
#pragma once

#include <cstdint>

namespace hypervisor::kvm {

/// Linux x86-64 numbers. Those behind the line are made before the filter is in force, and never after.
namespace nr {
inline constexpr long write = 1;
inline constexpr long ioctl = 16;
inline constexpr long futex = 202;
inline constexpr long restart_syscall = 219;  ///< the kernel's: goes on with a futex call that a pause interrupted
inline constexpr long clock_gettime = 228;
inline constexpr long exit_group = 231;
inline constexpr long getrandom = 318;
// ----
inline constexpr long munmap = 11;
inline constexpr long seccomp = 317;
}  // namespace nr

inline constexpr long error_interrupted = 4;   // EINTR
inline constexpr long error_no_memory = 12;    // ENOMEM
inline constexpr long error_bad_address = 14;  // EFAULT

struct Timespec {
    std::int64_t seconds;
    std::int64_t nanoseconds;
};

/// Returns the result, or minus the errno.
template <class A = long, class B = long, class C = long, class D = long>
inline long call(long number, A a = {}, B b = {}, C c = {}, D d = {}) {
    long result = number;
    register auto r10 asm("r10") = (long)(d);
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"((long)(a)), "S"((long)(b)), "d"((long)(c)), "r"(r10)
                 : "rcx", "r11", "memory");
    return result;
}

}  // namespace hypervisor::kvm
