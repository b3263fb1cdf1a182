// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "noxs/data_plane.hpp"

namespace noxs {

struct TapSettings {
    std::string name;    ///< of the device: 1 to 15 characters
    Ipv4Net address;     ///< of the host on the network; 0.0.0.0: none
    std::string bridge;  ///< a Linux bridge that the device is joined to; empty: none
    bool nat{false};     ///< guests reach what the host reaches, by its address
    std::uint16_t mtu{1500};
};

/// Makes the tap device, or attaches to the one that an earlier daemon made (it is persistent: connections go on), and
/// gives it its address, bridge and NAT. After an error nothing is left of what was not there before.
/// Errors: permission_denied (says what needs it, and what works without), unsupported (no /dev/net/tun, no NAT in this
/// kernel), name_in_use (a device of this name that is not ours, or another process has it), not_found (no such bridge).
/// Needs CAP_NET_ADMIN. Main thread; the uplink is for any one thread.
Result<std::unique_ptr<DataPlane::Uplink>> open_tap(const TapSettings& settings);

/// Removes the device and its NAT. Not there, or not ours: nothing to do.
Result<void> remove_tap(const std::string& name);

}  // namespace noxs
