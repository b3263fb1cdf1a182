// SPDX-License-Identifier: Apache-2.0
#pragma once

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

}  // namespace guest
