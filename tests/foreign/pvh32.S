// SPDX-License-Identifier: Apache-2.0
// PVH, and nothing more: 32-bit protected mode with paging off is where it stays. ebx: hvm_start_info.
#include <xen/elfnote.h>

#include "note.h"

    note XEN_ELFNOTE_PHYS32_ENTRY, .long entry

    .section .text.entry, "ax", @progbits
    .globl entry
entry:
    cld
    movl    $stack_top, %esp
    xorl    %ebp, %ebp
    pushl   %ebx
    pushl   $0
    jmp     foreign_main

    .section .note.GNU-stack, "", @progbits
