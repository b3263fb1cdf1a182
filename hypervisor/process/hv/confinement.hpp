// SPDX-License-Identifier: Apache-2.0
// What confines a domain. Made once when chaos-hv starts; every domain inherits or maps it.
#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace hypervisor::process {

/// The trampoline page with the system call filter behind the code: a sealed memfd that every domain maps.
struct Trampoline {
    base::Fd page;
    std::uint64_t entry{0};          ///< guest address of the park code
    std::uint64_t crash_handler{0};  ///< guest address of the signal handler
};

/// Compiles the filter of process_abi.hpp (default: kill the process) and lays out the page.
base::Result<Trampoline> make_trampoline();

/// Gives up what chaos-hv and its domains never need: moves into empty namespaces (network, mounts, IPC, UTS) where the
/// host permits, drops every capability for good, sets no_new_privs. Returns what was not permitted, each in words with
/// its fix; that weakens the second line of defence only.
base::Result<std::vector<std::string>> confine_self();

}  // namespace hypervisor::process
