// SPDX-License-Identifier: Apache-2.0
// Somebody else's guest: freestanding, sees the wire format only.
#include "noxs/page_reader.hpp"
#include "noxs/wire/control_page.hpp"

using namespace noxs;

/// Finds the sysctl device and says ready. The port to ring, or 0.
extern "C" std::uint32_t guest_main(const wire::DevicePage* page, std::byte* memory) {
    static PageReader reader;
    if (reader.read(*page) != PageError::none) {
        return 0;
    }
    const wire::DeviceEntry* sysctl = reader.find(wire::DeviceType::sysctl, 0);
    if (sysctl == nullptr) {
        return 0;
    }
    auto* control = reinterpret_cast<wire::SysctlControl*>(memory + sysctl->control_gfn * wire::page_size);
    store_release(control->header.frontend_state, wire::State::connected);
    store_release(control->ready, 1);
    return sysctl->port;
}
