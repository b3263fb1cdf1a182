// SPDX-License-Identifier: Apache-2.0
// What KVM on this host can do, asked once when chaos-hv starts.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace hypervisor::kvm {

/// struct kvm_cpuid2 without its flexible array, which C++ compilers lay out in another way than C's: the entries
/// (struct kvm_cpuid_entry2) follow.
struct CpuidTable {
    std::uint32_t count;
    std::uint32_t padding;
};
inline constexpr unsigned long get_supported_cpuid = _IOWR(KVMIO, 0x05, CpuidTable);  // KVM_GET_SUPPORTED_CPUID
inline constexpr unsigned long set_cpuid2 = _IOW(KVMIO, 0x90, CpuidTable);            // KVM_SET_CPUID2

struct Host {
    base::Fd device;  ///< /dev/kvm
    std::uint32_t run_size{0};
    unsigned max_vcpus{1};
    std::vector<std::byte> cpuid;  ///< CpuidTable: what guests are told
    std::uint64_t xcr0{0};         ///< processor state that guests may use; 0: no XSAVE here
    bool constant_tsc{false};      ///< at one rate, in every state of the processor
    std::uint64_t cr4{0};          ///< control register 4 of a guest
};

/// Opens /dev/kvm. The error says what is missing and how to get it.
base::Result<Host> open_host();

}  // namespace hypervisor::kvm
