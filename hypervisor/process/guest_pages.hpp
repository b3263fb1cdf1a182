// SPDX-License-Identifier: Apache-2.0
// What a domain's own object and its data lane do alike with memory that the guest shares.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "base/hvm_start_info.hpp"
#include "base/ids.hpp"
#include "base/mapping.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace hypervisor::process {

template <class T>
std::atomic_ref<T> shared(T& field) {
    return std::atomic_ref<T>(field);
}

/// Where in guest memory a guest may have pages that it grants.
struct GrantablePages {
    std::uint64_t memory{0};       ///< end of RAM
    std::uint64_t control_end{0};  ///< of the control pages
};

/// The address of the page that `entry`, a copy, lets `backend` have; nothing: none.
inline std::optional<std::uint64_t> granted_page(const base::GrantEntryV1& entry, base::DomId backend,
                                                 base::Access access, const GrantablePages& pages) {
    const bool permitted = (entry.flags & base::grant_type_mask) == base::grant_permit_access &&
                           entry.domid == backend.value &&
                           (access == base::Access::read_only || (entry.flags & base::grant_readonly) == 0);
    const std::uint64_t gpa = std::uint64_t{entry.frame} << base::page_shift;
    const bool control = gpa >= abi::control_gpa && gpa < pages.control_end;
    const bool ram = gpa >= abi::ram_gpa && gpa <= pages.memory - base::page_size;
    return permitted && (control || ram) ? std::optional(gpa) : std::nullopt;
}

/// Adds 1 to `wake` and wakes who waits for it. From any thread.
void wake(abi::EventPage& page);

/// Makes `port` pending in the guest and wakes it. The port is one. From any thread.
inline void ring_guest(abi::EventPage& page, base::EvtchnPort port) {
    shared(page.to_guest[port.value / 64]).fetch_or(std::uint64_t{1} << port.value % 64, std::memory_order_acq_rel);
    wake(page);
}

}  // namespace hypervisor::process
