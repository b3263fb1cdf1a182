// SPDX-License-Identifier: Apache-2.0
// Event channels, 2-level ABI (Xen, common/event_2l.c): ports below 128 are two words of pending bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "guest-shims/platform/platform.hpp"
#include "guest-shims/platform/xen/interface.hpp"
#include "guest-shims/runtime/shared.hpp"
#include "noxs/wire/device_page.hpp"

namespace guest::xen {

/// Takes and clears the pending bits. upcall_pending and pending_sel stay as Xen set them: interrupts are off, no one
/// looks at them, and while they are set Xen skips the work of an upcall at the next event.
inline PortSet take_pending(SharedInfo& info) {
    PortSet ports;
    for (unsigned i = 0; i < max_ports / 64; ++i) {
        auto& word = info.evtchn_pending[i];
        if (load_relaxed(word) != 0) {
            ports.words[i] = __atomic_exchange_n(&word, 0, __ATOMIC_ACQ_REL);
        }
    }
    return ports;
}

/// The ports of the devices on `page` (null: none), as SCHEDOP_poll takes them; returns how many. Needs no consistent
/// copy: whoever changes the page rings afterwards, and the next call sees it.
inline std::uint32_t device_ports(const noxs::wire::DevicePage* page,
                                  std::span<std::uint32_t, noxs::wire::max_devices> out) {
    std::uint32_t found = 0;
    const std::uint32_t count = page == nullptr ? 0 : load_relaxed(page->count);
    for (std::uint32_t i = 0; i < count && i < noxs::wire::max_devices; ++i) {
        const std::uint32_t port = load_relaxed(page->entries[i].port);
        if (port != 0 && port < max_ports && load_relaxed(page->entries[i].type) != noxs::wire::DeviceType::none) {
            out[found++] = port;
        }
    }
    return found;
}

/// Whether there is a network card or a disk on `page` (null: none), at this moment.
inline bool has_data_device(const noxs::wire::DevicePage* page) {
    const std::uint32_t count = page == nullptr ? 0 : load_relaxed(page->count);
    for (std::uint32_t i = 0; i < count && i < noxs::wire::max_devices; ++i) {
        const auto type = load_relaxed(page->entries[i].type);
        if (type == noxs::wire::DeviceType::vif || type == noxs::wire::DeviceType::vbd) {
            return true;
        }
    }
    return false;
}

}  // namespace guest::xen
