// SPDX-License-Identifier: Apache-2.0
// The Linux system call instruction. Only platform/process and the guest that misbehaves on purpose use it.
#pragma once

namespace guest {

/// System call `number` with up to four arguments. Returns its result, or minus the errno.
inline long syscall4(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
    long result = number;
    register long r10 asm("r10") = d;
    asm volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

}  // namespace guest
