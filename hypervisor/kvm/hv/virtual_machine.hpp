// SPDX-License-Identifier: Apache-2.0
// The domains of the kvm driver: the guest runs in a virtual machine, in a process that is confined as those of the
// process driver are, and holds nothing but that machine and the monitor (monitor.cpp) that serves it.
#pragma once

#include <memory>
#include <string>

#include "hypervisor/kvm/hv/host.hpp"
#include "hypervisor/process/hv/call_filter.hpp"
#include "hypervisor/process/hv/domain_kind.hpp"

namespace hypervisor::kvm {

class VirtualMachine final : public process::DomainKind {
 public:
    /// Opens KVM and lays out the monitor. The error says what is missing on this host.
    static base::Result<std::unique_ptr<process::DomainKind>> open();

    process::Kind kind() const override { return process::Kind::kvm; }
    unsigned max_vcpus() const override { return host_.max_vcpus; }
    bool is_uncertain() const override { return true; }
    std::uint64_t extra_memory(const process::DomainShape& shape) const override;
    [[noreturn]] void become(const process::ChildSpec& spec) const override;
    std::string note() const override;
    std::string explain_setup(const process::Remains& remains) const override;
    process::Ending ending_of(const process::Remains& remains) const override;

 private:
    VirtualMachine(Host host, process::SealedCode monitor) : host_(std::move(host)), monitor_(std::move(monitor)) {}

    Host host_;
    process::SealedCode monitor_;
};

}  // namespace hypervisor::kvm
