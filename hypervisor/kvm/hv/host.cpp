// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/kvm/hv/host.hpp"

#include <cpuid.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "hypervisor/kvm/kvm_abi.hpp"
#include "hypervisor/kvm/kvm_device.hpp"

namespace hypervisor::kvm {

namespace {

struct Needed {
    int capability;
    std::string_view name;
};
constexpr std::array<Needed, 5> needed{{{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
                                        {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
                                        {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
                                        {KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ"},
                                        {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"}}};

int extension(int device, int capability) {
    return ::ioctl(device, KVM_CHECK_EXTENSION, capability);
}

// Intel SDM volume 1, 13.1: state components that XCR0 enables; those that a program of user mode uses
constexpr std::uint64_t xcr0_x87 = 1, xcr0_sse = 2, xcr0_avx = 4, xcr0_avx512 = 0xe0;
// volume 3, 2.5: CR4
constexpr std::uint64_t cr4_pae = 1 << 5, cr4_osfxsr = 1 << 9, cr4_osxmmexcpt = 1 << 10, cr4_fsgsbase = 1 << 16,
                        cr4_osxsave = 1 << 18;

base::Result<void> read_cpuid(Host& host) {
    constexpr std::uint32_t most_entries = 256;  // KVM_MAX_CPUID_ENTRIES
    host.cpuid.resize(sizeof(CpuidTable) + most_entries * sizeof(kvm_cpuid_entry2));
    auto& table = *reinterpret_cast<CpuidTable*>(host.cpuid.data());
    table.count = most_entries;
    if (::ioctl(host.device.get(), get_supported_cpuid, &table) != 0) {
        return base::fail_errno(errno, "KVM_GET_SUPPORTED_CPUID");
    }
    host.cr4 = cr4_pae | cr4_osfxsr | cr4_osxmmexcpt;
    const auto* entries = reinterpret_cast<const kvm_cpuid_entry2*>(host.cpuid.data() + sizeof(CpuidTable));
    bool xsave = false;
    std::uint64_t components = 0;
    for (const auto& entry : std::span(entries, table.count)) {
        if (entry.function == 1) {
            xsave = (entry.ecx >> 26 & 1) != 0;
        } else if (entry.function == 7 && entry.index == 0 && (entry.ebx & 1) != 0) {
            host.cr4 |= cr4_fsgsbase;
        } else if (entry.function == 0xd && entry.index == 0) {
            components = entry.eax;
        }
    }
    if (xsave) {
        host.cr4 |= cr4_osxsave;
        host.xcr0 = components & (xcr0_x87 | xcr0_sse | xcr0_avx);
        if ((components & (xcr0_avx | xcr0_avx512)) == (xcr0_avx | xcr0_avx512)) {
            host.xcr0 |= xcr0_avx512;
        }
    }
    return {};
}

/// Intel SDM volume 3, 18.17.1: "invariant TSC", CPUID 0x80000007, EDX bit 8.
bool has_constant_tsc() {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d >> 8 & 1) != 0;
}

}  // namespace

base::Result<Host> open_host() {
    Host host;
    BASE_ASSIGN(host.device, open_device());
    const int device = host.device.get();
    for (const auto& [capability, name] : needed) {
        if (extension(device, capability) <= 0) {
            return base::fail(base::Code::unsupported, "this host's KVM lacks " + std::string(name));
        }
    }
    const int size = ::ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size <= 0) {
        return base::fail_errno(errno, "KVM_GET_VCPU_MMAP_SIZE");
    }
    host.run_size = static_cast<std::uint32_t>(size);
    const int vcpus = std::max(extension(device, KVM_CAP_NR_VCPUS), extension(device, KVM_CAP_MAX_VCPUS));
    host.max_vcpus = static_cast<unsigned>(std::clamp(vcpus, 1, static_cast<int>(abi::max_vcpus)));
    BASE_TRY(read_cpuid(host));
    host.constant_tsc = has_constant_tsc();
    return host;
}

}  // namespace hypervisor::kvm
