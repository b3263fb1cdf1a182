// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "base/ids.hpp"
#include "guest-shims/runtime/shared.hpp"
#include "noxs/wire/control_page.hpp"

namespace guest {

/// The control page of `entry` as `Control` (SysctlControl, ConsoleControl ...), or null where the page does not say
/// that it is this device's, in this version. Control pages lie one to one in the guest's address space.
template <class Control>
Control* control_page(const noxs::wire::DeviceEntry& entry) {
    auto* control = reinterpret_cast<Control*>(base::gpa_of(base::Gfn{entry.control_gfn}));
    if (control == nullptr) {
        return nullptr;
    }
    const auto& header = control->header;
    const bool matches = load_acquire(header.version) == noxs::wire::version &&
                         load_relaxed(header.type) == entry.type && load_relaxed(header.id) == entry.id;
    return matches ? control : nullptr;
}

/// Whether the device is in the page still. Where one was removed and another of its name added between two looks, which
/// the guest slept through, the control page says nothing of a frontend that `said` what it had come to.
inline bool is_still_there(std::span<const noxs::wire::DeviceEntry> page, const noxs::wire::DeviceEntry& device,
                           const noxs::wire::ControlHeader& control, noxs::wire::State said) {
    for (const auto& entry : page) {
        if (entry.type == device.type && entry.id == device.id) {
            return entry.control_gfn == device.control_gfn && load_acquire(control.frontend_state) == said;
        }
    }
    return false;
}

}  // namespace guest
