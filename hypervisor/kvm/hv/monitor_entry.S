// SPDX-License-Identifier: Apache-2.0
// The begin of the monitor (monitor_state.hpp: monitor_main_at, monitor_vcpu_at).

#define STACK_TOP 0x31000       /* of vCPU 0: stacks_at + stack_size */

        .section .text.entry, "ax", @progbits
        .globl monitor_entry
monitor_entry:
        jmp     first
        .balign 8
        call    monitor_vcpu
        ud2
first:  mov     $STACK_TOP, %esp
        xor     %ebp, %ebp
        call    monitor_main
        ud2

        .section .note.GNU-stack, "", @progbits
