// SPDX-License-Identifier: Apache-2.0
// A domain as chaos-hv holds it: one confined process and the descriptors that reach its memory.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "hypervisor/process/hv/domain_kind.hpp"
#include "hypervisor/process/hv_protocol.hpp"

namespace hypervisor::process {

/// chaos-hv keeps these descriptor numbers free: while a domain is made, its doorbell stands at the first, and that of its
/// data lane, if it has one, at the third; at the second stands what the kinds of domains that need a device of the host
/// have opened (/dev/kvm).
inline constexpr int reserved_doorbell_slot = 3;
inline constexpr int reserved_device_slot = 4;
inline constexpr int reserved_data_doorbell_slot = 5;

struct DomainProcess {
    const DomainKind* kind{nullptr};
    pid_t pid{0};
    std::vector<pid_t> threads;  ///< beside the first
    base::Fd memory;             ///< memfd; offset = guest-physical address
    base::Fd doorbell;           ///< eventfd that the guest writes
    base::Fd data_doorbell;      ///< the same for its data lane; none without shape.data_lane
    DomainShape shape;
    bool paused{false};
    DeathRecord death{};
    std::string death_cause;  ///< Ending::cause
};

/// Forks a domain and returns when it is parked, fully confined: only its memory mapped, no descriptor but its own, no
/// capability, the filter in force. `report` is memory shared with children. Single-threaded callers only (it uses
/// the reserved slots).
base::Result<DomainProcess> spawn_domain(base::DomId id, const DomainShape& shape, const DomainKind& kind,
                                         SetupReport& report);

/// Ends the process of a domain that nobody has heard of yet, and waits for its end.
void reap(DomainProcess& domain);

/// Notes how `domain` ended: waitid(2)'s `how` and `status`.
void bury(DomainProcess& domain, int how, int status);

/// A copy of the event page in a domain's memory; zeros where it can't be read.
abi::EventPage read_event_page(int memory_fd);

/// Whether the toolstack has put an image into it (abi::EventPage::boot). Reads its memory.
bool is_loaded(const DomainProcess& domain);

}  // namespace hypervisor::process
