// SPDX-License-Identifier: Apache-2.0
// Where a guest begins, in both ways that a hypervisor may start it, and the ELF notes that say so.

#define NT_XEN_PHYS32_ENTRY 18   /* Xen, public/elfnote.h: XEN_ELFNOTE_PHYS32_ENTRY */
#define NT_NOXS_ENTRY64      1

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, NT_XEN_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry

    .section .note.noxs, "a", @note
    .balign 4
    .long 5, 8, NT_NOXS_ENTRY64
    .asciz "noxs"
    .balign 4
    .quad noxs_entry

// Long mode, flat, memory zero where the image has none. rdi: hvm_start_info; rsi: platform id; rsp: anything.
    .section .text.entry, "ax", @progbits
    .code64
    .globl noxs_entry
    .type noxs_entry, @function
noxs_entry:
    movl    $stack_top, %esp
    xorl    %ebp, %ebp
    cld
    call    guest_start
    ud2
    .size noxs_entry, . - noxs_entry

    .section .note.GNU-stack, "", @progbits
