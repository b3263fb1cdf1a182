// SPDX-License-Identifier: Apache-2.0
// PVH to long mode: the first 4 GiB one to one, in pages of 2 MiB. Xen puts the console ring right below 4 GiB.
#include <xen/elfnote.h>

#include "note.h"

#define TABLE   0x3     /* present, writable */
#define PAGE_2M 0x83    /* and page size */

    note XEN_ELFNOTE_PHYS32_ENTRY, .long entry

    .section .text.entry, "ax", @progbits
    .code32
    .globl entry
entry:
    cld
    movl    $stack_top, %esp
    movl    $(pdpt + TABLE), pml4
    movl    $(directories + 0x0000 + TABLE), pdpt
    movl    $(directories + 0x1000 + TABLE), pdpt + 8
    movl    $(directories + 0x2000 + TABLE), pdpt + 16
    movl    $(directories + 0x3000 + TABLE), pdpt + 24
    xorl    %ecx, %ecx
1:  movl    %ecx, %eax
    shll    $21, %eax
    orl     $PAGE_2M, %eax
    movl    %eax, directories(, %ecx, 8)
    incl    %ecx
    cmpl    $2048, %ecx
    jne     1b

    movl    %cr4, %eax
    orl     $0x20, %eax             /* PAE */
    movl    %eax, %cr4
    movl    $pml4, %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx       /* EFER */
    rdmsr
    orl     $0x100, %eax            /* LME */
    wrmsr
    movl    %cr0, %eax
    orl     $0x80010000, %eax       /* PG, WP */
    movl    %eax, %cr0
    lgdt    gdt_pointer
    ljmp    $8, $2f

    .code64
2:  movl    $16, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movl    %ebx, %edi
    xorl    %ebp, %ebp
    pushq   $0
    jmp     foreign_main

    .balign 8
gdt:
    .quad   0
    .quad   0x00af9b000000ffff      /* 8: code, ring 0, long mode */
    .quad   0x00cf93000000ffff      /* 16: data */
gdt_pointer:
    .word   . - gdt - 1
    .long   gdt

    .section .bss.pages, "aw", @nobits
    .balign 4096
pml4:
    .skip 4096
pdpt:
    .skip 4096
directories:
    .skip 4 * 4096

    .section .note.GNU-stack, "", @progbits
