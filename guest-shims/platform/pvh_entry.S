// SPDX-License-Identifier: Apache-2.0
// PVH entry (Xen, docs/misc/pvh): 32-bit protected mode, flat segments, paging off, interrupts off,
// ebx: hvm_start_info. Maps memory one to one, enters long mode and goes on as the 64-bit entry does, with platform
// id 0: plain PVH.
//
// The map is the first GiB in 2 MiB pages, but the first 2 MiB in 4 KiB pages: page 0 absent, so that a null pointer
// (and an interrupt table at 0) faults; nothing below the stack, at 1 MiB. Where the xen driver started the domain, the
// pages of its ABI below 1 MiB, those that only the toolstack writes read-only. Else what may hold the start info: all
// but the last 64 KiB; the rest follows once it is known that this is not Xen (pvh_platform.cpp).
//
// Hot: control registers and EFER are written without being read, since both are exits, and what they hold at entry is
// part of the ABI.

#include "guest-shims/platform/xen/entry_constants.h"

#define CR0_PE_ET_NE_WP_PG 0x80010031
#define CR4_PAE   (1 << 5)
#define MSR_EFER  0xc0000080
#define EFER_LME  (1 << 8)
#define PTE_TABLE 0x3            /* present, writable */
#define PTE_WRITE 0x2
#define PTE_2M    0x83           /* present, writable, page size */
#define PAGE      0x1000
#define PAGE_2M   0x200000
#define PLAIN_LOW_END 0xf0000
#define PLATFORM_PVH 0

    .section .text.pvh, "ax", @progbits
    .code32
    .globl pvh_entry
    .type pvh_entry, @function
pvh_entry:
    cld
    movl    $stack_top, %esp
    movl    $(pvh_pdpt + PTE_TABLE), pvh_pml4
    movl    $(pvh_pd + PTE_TABLE), pvh_pdpt
    movl    $(pvh_pt + PTE_TABLE), pvh_pd

    movl    $((XEN_LOW_END - PAGE) / PAGE), %ecx
    cmpl    $XEN_BOOT_MAGIC_LOW, XEN_BOOT_MAGIC_ADDRESS
    jne     1f
    cmpl    $XEN_BOOT_MAGIC_HIGH, XEN_BOOT_MAGIC_ADDRESS + 4
    je      2f
1:  movl    $((PLAIN_LOW_END - PAGE) / PAGE), %ecx
2:  movl    %ecx, %ebp
    movl    $(PAGE + PTE_TABLE), %eax
    movl    $PAGE, %edx
    movl    $(pvh_pt + 8), %edi
    call    fill
    movl    $(XEN_RAM + PTE_TABLE), %eax
    movl    $(pvh_pt + XEN_RAM / PAGE * 8), %edi
    movl    $((PAGE_2M - XEN_RAM) / PAGE), %ecx
    call    fill
    movl    $(PAGE_2M + PTE_2M), %eax
    movl    $PAGE_2M, %edx
    movl    $(pvh_pd + 8), %edi
    movl    $511, %ecx
    call    fill
    cmpl    $((XEN_LOW_END - PAGE) / PAGE), %ebp
    jne     3f
    andb    $~PTE_WRITE, pvh_pt + XEN_START_INFO / PAGE * 8
    andb    $~PTE_WRITE, pvh_pt + XEN_DEVICE_PAGE / PAGE * 8

3:  movl    $CR4_PAE, %eax
    movl    %eax, %cr4
    movl    $pvh_pml4, %eax
    movl    %eax, %cr3
    movl    $MSR_EFER, %ecx
    movl    $EFER_LME, %eax
    xorl    %edx, %edx
    wrmsr
    movl    $CR0_PE_ET_NE_WP_PG, %eax
    movl    %eax, %cr0
    lgdt    pvh_gdt_pointer
    ljmp    $8, $5f

// ecx entries from edi: eax, eax + edx, eax + 2 * edx ...
fill:
4:  movl    %eax, (%edi)
    addl    %edx, %eax
    addl    $8, %edi
    decl    %ecx
    jnz     4b
    ret

    .code64
5:  movl    $16, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movl    %ebx, %edi
    movl    $PLATFORM_PVH, %esi
    jmp     noxs_entry
    .size pvh_entry, . - pvh_entry

    .balign 8
pvh_gdt:
    .quad   0
    .quad   0x00af9b000000ffff   /* 8: code, ring 0, long mode */
    .quad   0x00cf93000000ffff   /* 16: data */
pvh_gdt_pointer:
    .word   . - pvh_gdt - 1
    .long   pvh_gdt

    .section .bss.page_aligned, "aw", @nobits
    .balign 4096
pvh_pml4:
    .skip 4096
    .globl pvh_pdpt
pvh_pdpt:
    .skip 4096
pvh_pd:
    .skip 4096
    .globl pvh_pt
pvh_pt:
    .skip 4096
    .globl xen_hypercall_page
xen_hypercall_page:
    .skip 4096

    .section .note.GNU-stack, "", @progbits
