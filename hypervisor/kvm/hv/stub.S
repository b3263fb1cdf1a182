// SPDX-License-Identifier: Apache-2.0
// The one page of the driver's in a guest (kvm_abi.hpp: stub_gpa): where vCPUs wait until they are let go, and the task
// state that says which ports the guest may write. Runs in the guest, at privilege level 3. Position-independent.

#define STUB          0x10000
#define START_INFO    0x11000
#define DEVICE_PAGE   0x12000
#define GRANT_TABLE   0x13000
#define EVENT_PAGE    0x14000
#define WARM_STACK    0x10f000
#define WARM_IMAGE    0x110000
#define WARM_END      0x113000
#define EV_ENTRY      48
#define EV_START_INFO 56
#define MACHINE_PAGE  (EVENT_PAGE + 1024)
#define MP_STUB_TSC   112
#define MP_VCPUS      120
#define PORT_FIRST    0x10
#define PORT_WAIT     0x14
#define PORT_PARK     0x24
#define PORT_END      0x28
#define PLATFORM_ID   2
#define PAGE          0x1000

        .section .rodata.kvm_stub, "a"
        .balign 64
        .globl chaos_kvm_stub, chaos_kvm_stub_vcpu, chaos_kvm_stub_task, chaos_kvm_stub_end

// vCPU 0. rbx: end of the control pages. Touches what a launch will touch, so that the hypervisor has mapped it by then.
chaos_kvm_stub:
        testb   $0, START_INFO
        testb   $0, DEVICE_PAGE
        mov     $GRANT_TABLE, %ecx
1:      lock orb $0, (%rcx)
        add     $PAGE, %rcx
        cmp     %rbx, %rcx
        jb      1b
        lock orb $0, WARM_STACK
        mov     $WARM_IMAGE, %ecx
2:      lock orb $0, (%rcx)
        add     $PAGE, %rcx
        cmp     $WARM_END, %rcx
        jb      2b
        xor     %eax, %eax
        out     %eax, $PORT_PARK

        rdtsc                           // the second time for the clock only: the round trip is short now
        mov     %eax, MACHINE_PAGE + MP_STUB_TSC
        mov     %edx, MACHINE_PAGE + MP_STUB_TSC + 4
        out     %eax, $PORT_PARK

        mov     EVENT_PAGE + EV_START_INFO, %rdi
        mov     $PLATFORM_ID, %esi
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %ebp, %ebp
        jmp     *EVENT_PAGE + EV_ENTRY

// The others. rbx: number of the vCPU.
chaos_kvm_stub_vcpu:
        xor     %eax, %eax
        out     %eax, $PORT_PARK
        imul    $24, %ebx, %ecx
        mov     MACHINE_PAGE + MP_VCPUS + 8(%rcx), %rsp
        mov     MACHINE_PAGE + MP_VCPUS + 16(%rcx), %rdi
        xor     %ebp, %ebp
        mov     MACHINE_PAGE + MP_VCPUS(%rcx), %rax
        jmp     *%rax

// 64-bit task state segment (Intel SDM volume 3, 8.7): nothing in it is used but the port bitmap behind it, one bit a
// port, 0: allowed. What lies beyond its end is not allowed.
        .balign 64
chaos_kvm_stub_task:
        .skip   102
        .word   bitmap - chaos_kvm_stub_task
bitmap: .fill   PORT_FIRST / 8, 1, 0xff
        .fill   (PORT_END - PORT_FIRST) / 8, 1, 0
        .byte   0xff
chaos_kvm_stub_end:

        .section .note.GNU-stack, "", @progbits
