// SPDX-License-Identifier: Apache-2.0
// The one page of the driver's code that stays in a domain. Position-independent: chaos-hv copies it, followed by the
// system call filter, into a page that every domain maps at trampoline_gpa. Offsets: hypervisor/process/process_abi.hpp.

#define NR_write 1
#define NR_munmap 11
#define NR_futex 202
#define NR_exit_group 231
#define NR_seccomp 317
#define SECCOMP_SET_MODE_FILTER 1
#define FUTEX_WAIT 0

#define DOORBELL_FD 3
#define EVENT_PAGE 0x14000
#define EV_WAKE 32
#define EV_BOOT 40
#define EV_ENTRY 48
#define EV_START_INFO 56
#define EV_CRASH_SIGNAL 64
#define BOOT_GO 2
#define PLATFORM_ID 1

// exit codes of a domain that could not be confined; never seen once it runs
#define EXIT_MUNMAP 250
#define EXIT_SECCOMP 251

        .section .rodata.trampoline, "a"
        .balign 64
        .globl chaos_trampoline, chaos_trampoline_crash, chaos_trampoline_program, chaos_trampoline_end

// in: rdi, rsi = address and size of everything that is chaos-hv's in this process
chaos_trampoline:
        mov     $NR_munmap, %eax
        syscall
        mov     $EXIT_MUNMAP, %edi
        test    %rax, %rax
        jnz     1f
        mov     $NR_seccomp, %eax
        mov     $SECCOMP_SET_MODE_FILTER, %edi
        xor     %esi, %esi
        lea     chaos_trampoline_program(%rip), %rdx
        syscall
        mov     $EXIT_SECCOMP, %edi
        test    %rax, %rax
        jnz     1f

        // tell chaos-hv: parked and confined
        mov     $NR_write, %eax
        mov     $DOORBELL_FD, %edi
        lea     doorbell_one(%rip), %rsi
        mov     $8, %edx
        syscall

park:   mov     EVENT_PAGE + EV_WAKE, %edx
        cmpl    $BOOT_GO, EVENT_PAGE + EV_BOOT
        je      go
        mov     $NR_futex, %eax
        mov     $(EVENT_PAGE + EV_WAKE), %edi
        mov     $FUTEX_WAIT, %esi
        xor     %r10d, %r10d
        syscall
        jmp     park

go:     fninit
        pxor    %xmm0, %xmm0
        pxor    %xmm1, %xmm1
        pxor    %xmm2, %xmm2
        pxor    %xmm3, %xmm3
        pxor    %xmm4, %xmm4
        pxor    %xmm5, %xmm5
        pxor    %xmm6, %xmm6
        pxor    %xmm7, %xmm7
        mov     EVENT_PAGE + EV_START_INFO, %rdi
        mov     $PLATFORM_ID, %esi
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %ebp, %ebp
        xor     %esp, %esp
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        xor     %r10d, %r10d
        xor     %r11d, %r11d
        xor     %r12d, %r12d
        xor     %r13d, %r13d
        xor     %r14d, %r14d
        xor     %r15d, %r15d
        jmp     *EVENT_PAGE + EV_ENTRY

1:      mov     $NR_exit_group, %eax
        syscall
        ud2

// Signal handler (int signal, siginfo_t*, ucontext_t*) on the signal stack: leaves a record, ends the domain.
chaos_trampoline_crash:
        mov     %edi, EVENT_PAGE + EV_CRASH_SIGNAL
        mov     %edi, %ebx
        mov     8(%rsi), %eax                    // si_code
        mov     %eax, EVENT_PAGE + EV_CRASH_SIGNAL + 4
        mov     16(%rsi), %rax                   // si_addr
        mov     %rax, EVENT_PAGE + EV_CRASH_SIGNAL + 8
        lea     40(%rdx), %rsi                   // uc_mcontext.gregs, r8 to rflags
        mov     $(EVENT_PAGE + EV_CRASH_SIGNAL + 16), %edi
        mov     $18, %ecx
        rep movsq
        mov     %ebx, %edi
        add     $128, %edi
        mov     $NR_exit_group, %eax
        syscall
        ud2

        .balign 8
doorbell_one:
        .quad   1
// struct sock_fprog, filled by chaos-hv: count, then the address of the filter in the guest
chaos_trampoline_program:
        .quad   0
        .quad   0
chaos_trampoline_end:

        .section .note.GNU-stack, "", @progbits
