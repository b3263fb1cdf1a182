// SPDX-License-Identifier: Apache-2.0
// From the entry code to the guest. Hot: a launch waits for it.
#include "guest-shims/frontends/system.hpp"

extern "C" {

extern char image_end[];  // guest.ld

/// Called by platform/entry.S on an empty stack.
[[noreturn]] void guest_start(const base::HvmStartInfo* info, std::uint64_t platform_id) {
    guest::Platform* platform = guest::platform_for(platform_id);
    if (platform == nullptr) {
        // Nobody to tell: an undefined instruction ends the domain on every hypervisor.
        __builtin_trap();
    }
    const auto boot = guest::parse_boot_info(info);
    if (!boot) {
        platform->shutdown(guest::exit_bad_boot_info);
        __builtin_unreachable();  // GCC forgets that a virtual call does not return
    }
    const std::uint64_t free = platform->start(*boot, reinterpret_cast<std::uint64_t>(image_end));
    guest::System system(*platform, *boot, free);
    system.shutdown(noxs::wire::ShutdownReason::power_off, guest::run(system));
}
}
