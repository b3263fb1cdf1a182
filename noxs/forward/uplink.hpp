// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/fd.hpp"
#include "noxs/data_plane.hpp"

namespace noxs {

/// The plane's end of a frames connection (forward/protocol.hpp), after its Hello. `address`: chaos-forward's. Frames
/// that are not for it are dropped here: no guest fills the socket with what a switch floods.
std::unique_ptr<DataPlane::Uplink> make_forward_uplink(base::Fd socket, Ipv4 address);

}  // namespace noxs
