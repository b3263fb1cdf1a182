// SPDX-License-Identifier: Apache-2.0
// The one page of the driver's in a guest (kvm_abi.hpp: stub_gpa): where vCPUs wait until they are let go, and the task
// state that says which ports the guest may write. Runs in the guest, at privilege level 3. Position-independent.

#include "hypervisor/kvm/hv/stub_constants.h"

#define PAGE 0x1000

        .section .rodata.kvm_stub, "a"
        .balign 64
        .globl chaos_kvm_stub, chaos_kvm_stub_vcpu, chaos_kvm_stub_task, chaos_kvm_stub_end

// vCPU 0. rbx: end of the control pages that are given early. Touches what a launch will touch, so that the hypervisor has mapped it by
// then.
chaos_kvm_stub:
        testb   $0, STUB_START_INFO
        testb   $0, STUB_DEVICE_PAGE
        lock orb $0, STUB_GRANT_TABLE
        mov     $STUB_EVENT_PAGE, %ecx
1:      lock orb $0, (%rcx)
        add     $PAGE, %rcx
        cmp     %rbx, %rcx
        jb      1b
        lock orb $0, STUB_WARM_STACK
        mov     $STUB_WARM_IMAGE, %ecx
2:      lock orb $0, (%rcx)
        add     $PAGE, %rcx
        cmp     $STUB_WARM_END, %rcx
        jb      2b
        xor     %eax, %eax
        out     %eax, $STUB_PORT_PARK

        // The monitor has just written what time it is: that was now, less the way in.
        rdtsc
        mov     %eax, STUB_MACHINE_PAGE + STUB_MP_TIMESTAMP
        mov     %edx, STUB_MACHINE_PAGE + STUB_MP_TIMESTAMP + 4

        mov     STUB_EVENT_PAGE + STUB_EV_START_INFO, %rdi
        mov     $STUB_PLATFORM_ID, %esi
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %ebp, %ebp
        jmp     *STUB_EVENT_PAGE + STUB_EV_ENTRY

// The others. rbx: number of the vCPU.
chaos_kvm_stub_vcpu:
        xor     %eax, %eax
        out     %eax, $STUB_PORT_PARK
        imul    $STUB_VCPU_SIZE, %ebx, %ecx
        mov     STUB_MACHINE_PAGE + STUB_MP_VCPUS + STUB_VCPU_STACK(%rcx), %rsp
        mov     STUB_MACHINE_PAGE + STUB_MP_VCPUS + STUB_VCPU_ARGUMENT(%rcx), %rdi
        xor     %ebp, %ebp
        mov     STUB_MACHINE_PAGE + STUB_MP_VCPUS(%rcx), %rax
        jmp     *%rax

// 64-bit task state segment (Intel SDM volume 3, 8.7): nothing in it is used but the port bitmap behind it, one bit a
// port, 0: allowed. What lies beyond its end is not allowed.
        .balign 64
chaos_kvm_stub_task:
        .skip   102
        .word   bitmap - chaos_kvm_stub_task
bitmap: .fill   STUB_PORT_FIRST / 8, 1, 0xff
        .fill   (STUB_PORT_END - STUB_PORT_FIRST) / 8, 1, 0
        .byte   0xff
chaos_kvm_stub_end:

        .section .note.GNU-stack, "", @progbits
