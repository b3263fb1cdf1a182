// SPDX-License-Identifier: Apache-2.0
// The domains of the process driver: the guest's code runs in the process itself, behind a system call filter.
#pragma once

#include <memory>

#include "base/fd.hpp"
#include "hypervisor/process/hv/domain_kind.hpp"

namespace hypervisor::process {

class ConfinedProcess final : public DomainKind {
 public:
    /// Compiles the filter of process_abi.hpp (anything else: SIGSYS, which the trampoline tells of) and lays out the
    /// trampoline page.
    static base::Result<std::unique_ptr<DomainKind>> open();

    Kind kind() const override { return Kind::process; }
    [[noreturn]] void become(const ChildSpec& spec) const override;
    Ending ending_of(const Remains& remains) const override;

 private:
    explicit ConfinedProcess(base::Fd trampoline) : trampoline_(std::move(trampoline)) {}

    base::Fd trampoline_;  ///< the trampoline page with the filter behind the code, sealed; every domain maps it
};

}  // namespace hypervisor::process
