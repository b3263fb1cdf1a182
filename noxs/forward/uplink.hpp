// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/fd.hpp"
#include "noxs/data_plane.hpp"

namespace noxs {

/// The plane's end of a frames connection (forward/protocol.hpp), after its Hello.
std::unique_ptr<DataPlane::Uplink> make_forward_uplink(base::Fd socket);

}  // namespace noxs
