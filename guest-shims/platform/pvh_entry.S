// SPDX-License-Identifier: Apache-2.0
// PVH entry (Xen, docs/misc/pvh): 32-bit protected mode, flat segments, paging off, interrupts off,
// ebx: hvm_start_info. Maps the first GiB one to one with 2 MiB pages, enters long mode and goes on as the 64-bit
// entry does, with platform id 0: plain PVH.

#define CR0_PG    (1 << 31)
#define CR4_PAE   (1 << 5)
#define MSR_EFER  0xc0000080
#define EFER_LME  (1 << 8)
#define PTE_TABLE 0x3            /* present, writable */
#define PTE_2M    0x83           /* present, writable, page size */
#define PLATFORM_PVH 0

    .section .text.pvh, "ax", @progbits
    .code32
    .globl pvh_entry
    .type pvh_entry, @function
pvh_entry:
    cld
    movl    $(pvh_pdpt + PTE_TABLE), pvh_pml4
    movl    $(pvh_pd + PTE_TABLE), pvh_pdpt
    xorl    %ecx, %ecx
1:  movl    %ecx, %eax
    shll    $21, %eax
    orl     $PTE_2M, %eax
    movl    %eax, pvh_pd(, %ecx, 8)
    incl    %ecx
    cmpl    $512, %ecx
    jne     1b

    movl    %cr4, %eax
    orl     $CR4_PAE, %eax
    movl    %eax, %cr4
    movl    $pvh_pml4, %eax
    movl    %eax, %cr3
    movl    $MSR_EFER, %ecx
    rdmsr
    orl     $EFER_LME, %eax
    wrmsr
    movl    %cr0, %eax
    orl     $CR0_PG, %eax
    movl    %eax, %cr0
    lgdt    pvh_gdt_pointer
    ljmp    $8, $2f

    .code64
2:  movl    $16, %eax
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
pvh_pdpt:
    .skip 4096
pvh_pd:
    .skip 4096

    .section .note.GNU-stack, "", @progbits
