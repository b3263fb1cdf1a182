// SPDX-License-Identifier: Apache-2.0
// The whole state of a vCPU, taken from one machine and put into another: what saving, restoring and cloning a domain
// take beside its memory. A guest without privileged mode has no model-specific registers of its own but the segment
// bases, which are here; its clock is set anew where it goes on (kvm_abi.hpp: MachinePage).
// Nothing in a running domain reaches it yet: docs/decisions/0006-park-kvm-shells-inside-the-guest.md.
#pragma once

#include <linux/kvm.h>

#include <cstdint>

#include "base/result.hpp"

namespace hypervisor::kvm {

/// struct kvm_xsave, which C++ compilers lay out in another way than C's (see CpuidTable).
struct ExtendedState {
    std::uint32_t region[1024];
};

struct VcpuState {
    kvm_regs registers;
    kvm_sregs system;
    kvm_xcrs extended_controls;  ///< none where the host has no XSAVE
    ExtendedState extended;      ///< x87, SSE, AVX
    kvm_vcpu_events events;
};

/// Of a vCPU that is not in KVM_RUN. After an exit for a port KVM finishes the instruction when it runs again: let it
/// (kvm_run.immediate_exit) before.
base::Result<VcpuState> capture(int vcpu);

/// Into a vCPU made with the same CPUID (Machine::add_vcpu).
base::Result<void> restore(int vcpu, const VcpuState& state);

}  // namespace hypervisor::kvm
