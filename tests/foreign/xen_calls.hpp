// SPDX-License-Identifier: Apache-2.0
// Calls to Xen, from 64-bit and from 32-bit code. Freestanding.
#pragma once

#include <stdint.h>

#define __XEN_INTERFACE_VERSION__ 0x00040d00  // handles are structures
#include <xen/xen.h>

#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>

/// One page, filled by Xen: 32 bytes of code per call (xen.h: "hypercall page").
extern "C" char hypercall_page[];

namespace foreign {

/// Hypercall `number`; returns its result, or minus Xen's errno.
template <unsigned number>
long hypercall(unsigned long first, unsigned long second, unsigned long third = 0) {
    long result;
#ifdef __x86_64__
    asm volatile("call hypercall_page + %c[offset]"
                 : "=a"(result), "+D"(first), "+S"(second), "+d"(third)
                 : [offset] "i"(number * 32)
                 : "rcx", "r8", "r10", "r11", "memory");
#else
    asm volatile("call hypercall_page + %c[offset]"
                 : "=a"(result), "+b"(first), "+c"(second), "+d"(third)
                 : [offset] "i"(number * 32)
                 : "memory");
#endif
    return result;
}

template <unsigned number>
long hypercall(unsigned long command, void* argument) {
    return hypercall<number>(command, reinterpret_cast<unsigned long>(argument));
}

[[noreturn]] inline void shut_down(unsigned reason) {
    sched_shutdown order{reason};
    for (;;) {
        hypercall<__HYPERVISOR_sched_op>(SCHEDOP_shutdown, &order);
    }
}

}  // namespace foreign
