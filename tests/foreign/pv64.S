// SPDX-License-Identifier: Apache-2.0
// PV: long mode on Xen's page tables from the first instruction, in ring 3. rsi: start_info. The notes are those of
// Mini-OS and XTF; FOREIGN_LOADER and FOREIGN_FEATURES make kernels that Xen must refuse.
#include <xen/elfnote.h>

#include "note.h"

#ifndef FOREIGN_LOADER
#define FOREIGN_LOADER "generic"
#endif
#ifndef FOREIGN_FEATURES
#define FOREIGN_FEATURES "!writable_page_tables|pae_pgdir_above_4gb"
#endif

    note XEN_ELFNOTE_GUEST_OS, .asciz "chaos-foreign"
    note XEN_ELFNOTE_GUEST_VERSION, .asciz "1"
    note XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
    note XEN_ELFNOTE_LOADER, .asciz FOREIGN_LOADER
    note XEN_ELFNOTE_FEATURES, .asciz FOREIGN_FEATURES
    note XEN_ELFNOTE_PAE_MODE, .asciz "yes"
    note XEN_ELFNOTE_VIRT_BASE, .quad 0
    note XEN_ELFNOTE_ENTRY, .quad entry
    note XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page

    .section .text.entry, "ax", @progbits
    .globl entry
entry:
    cld
    movl    $stack_top, %esp
    movq    %rsi, %rdi
    xorl    %ebp, %ebp
    pushq   $0
    jmp     foreign_main

    .section .note.GNU-stack, "", @progbits
