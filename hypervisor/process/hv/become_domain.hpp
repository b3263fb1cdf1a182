// SPDX-License-Identifier: Apache-2.0
// The child's side of making a domain: from a copy of chaos-hv to a parked, confined guest process.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <cstdint>

#include "base/ids.hpp"
#include "hypervisor/process/hv/confinement.hpp"

namespace hypervisor::process {

struct ChildSpec {
    base::DomId id;
    pid_t parent;
    int memory_fd;
    std::uint64_t memory_size;
    std::uint32_t control_pages;
    const Trampoline* trampoline;
};

/// Faults that the trampoline's crash handler turns into a record.
inline constexpr std::array<int, 5> crash_signals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

/// Never returns: ends parked in the trampoline page, or exits with a code that names the step that failed.
[[noreturn]] void become_domain(const ChildSpec& spec);

/// The step behind an exit code of become_domain, and the errno that fits it best.
const char* setup_step(int exit_code);
int setup_errno(int exit_code);

}  // namespace hypervisor::process
