// SPDX-License-Identifier: Apache-2.0
// The linked monitor as bytes in chaos-hv.

        .section .rodata.kvm_monitor, "a"
        .globl chaos_kvm_monitor, chaos_kvm_monitor_end
        .balign 64
chaos_kvm_monitor:
        .incbin CHAOS_KVM_MONITOR
chaos_kvm_monitor_end:

        .section .note.GNU-stack, "", @progbits
