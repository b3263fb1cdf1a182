// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/kvm/hv/vcpu_state.hpp"

#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace hypervisor::kvm {

namespace {

constexpr unsigned long get_xsave = _IOR(KVMIO, 0xa4, ExtendedState);  // KVM_GET_XSAVE
constexpr unsigned long set_xsave = _IOW(KVMIO, 0xa5, ExtendedState);  // KVM_SET_XSAVE

struct Part {
    unsigned long request;
    const void* what;
    std::string_view name;
};

template <std::size_t Count>
base::Result<void> transfer(int vcpu, const std::array<Part, Count>& parts) {
    for (const auto& [request, what, name] : parts) {
        if (::ioctl(vcpu, request, what) != 0) {
            return base::fail_errno(errno, name);
        }
    }
    return {};
}

}  // namespace

base::Result<VcpuState> capture(int vcpu) {
    VcpuState s{};
    const std::array<Part, 5> parts{{{KVM_GET_REGS, &s.registers, "KVM_GET_REGS"},
                                     {KVM_GET_SREGS, &s.system, "KVM_GET_SREGS"},
                                     {KVM_GET_XCRS, &s.extended_controls, "KVM_GET_XCRS"},
                                     {get_xsave, &s.extended, "KVM_GET_XSAVE"},
                                     {KVM_GET_VCPU_EVENTS, &s.events, "KVM_GET_VCPU_EVENTS"}}};
    BASE_TRY(transfer(vcpu, parts));
    return s;
}

base::Result<void> restore(int vcpu, const VcpuState& s) {
    BASE_TRY(transfer(vcpu, std::array<Part, 1>{{{KVM_SET_SREGS, &s.system, "KVM_SET_SREGS"}}}));
    if (s.extended_controls.nr_xcrs != 0) {
        BASE_TRY(transfer(vcpu, std::array<Part, 1>{{{KVM_SET_XCRS, &s.extended_controls, "KVM_SET_XCRS"}}}));
    }
    const std::array<Part, 3> parts{{{set_xsave, &s.extended, "KVM_SET_XSAVE"},
                                     {KVM_SET_VCPU_EVENTS, &s.events, "KVM_SET_VCPU_EVENTS"},
                                     {KVM_SET_REGS, &s.registers, "KVM_SET_REGS"}}};
    return transfer(vcpu, parts);
}

}  // namespace hypervisor::kvm
