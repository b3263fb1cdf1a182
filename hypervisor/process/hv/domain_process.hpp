// SPDX-License-Identifier: Apache-2.0
// A domain as chaos-hv holds it: one confined process and the descriptors that reach its memory.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "hypervisor/process/hv/confinement.hpp"
#include "hypervisor/process/hv_protocol.hpp"

namespace hypervisor::process {

/// chaos-hv keeps this descriptor number free; while a domain is made, its doorbell stands there.
inline constexpr int reserved_doorbell_slot = 3;

struct DomainProcess {
    pid_t pid{0};
    base::Fd memory;    ///< memfd; offset = guest-physical address
    base::Fd doorbell;  ///< eventfd that the guest writes
    std::uint64_t memory_size{0};
    std::uint32_t control_pages{0};
    bool paused{false};
    DeathRecord death{};
};

struct DomainShape {
    std::uint64_t memory{0};
    std::uint32_t control_pages{0};
};

/// Forks a domain and returns when it is parked, fully confined: only its memory mapped, one descriptor, no capability,
/// the filter in force. Single-threaded callers only (it uses reserved_doorbell_slot).
base::Result<DomainProcess> spawn_domain(base::DomId id, const DomainShape& shape, const Trampoline& trampoline);

/// Words and numbers for how `domain` ended, from its wait status and the record that its crash handler left.
DeathRecord death_of(const DomainProcess& domain, int how, int status);

/// Whether the toolstack has put an image into it (abi::EventPage::boot). Reads its memory.
bool is_loaded(const DomainProcess& domain);

}  // namespace hypervisor::process
