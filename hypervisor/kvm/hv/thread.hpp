// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sched.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <cstdint>

namespace hypervisor::kvm {

/// A thread that begins at `entry` with `argument`, on the stack that ends at `stack`, and knows nothing of the C
/// library. Its number goes to `tid`. Returns that, or minus the errno.
inline long start_thread(std::uint64_t entry, std::uint64_t argument, std::uint64_t stack, pid_t& tid) {
    constexpr long flags =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID;
    long result = SYS_clone;
    register long no_child_tid asm("r10") = 0;
    register long no_tls asm("r8") = 0;
    register std::uint64_t target asm("r9") = entry;
    asm volatile(
        "syscall\n"
        "test %%rax, %%rax\n"
        "jnz 1f\n"
        "xor %%ebp, %%ebp\n"
        "mov %[argument], %%rdi\n"
        "jmp *%%r9\n"
        "1:"
        : "+a"(result)
        : "D"(flags), "S"(stack), "d"(&tid), "r"(no_child_tid), "r"(no_tls), "r"(target), [argument] "b"(argument)
        : "rcx", "r11", "memory");
    return result;
}

}  // namespace hypervisor::kvm
