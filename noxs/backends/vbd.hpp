// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "noxs/block/block_io.hpp"
#include "noxs/plane/device.hpp"

namespace noxs {

/// The backend of a disk: blkif requests from the guest's ring to io_uring, and back (docs/disks.md). Never fails: what
/// is wrong with the page or the ring of an adopted device stops it. `io` outlives it. Plane's thread.
std::unique_ptr<DataDevice> make_vbd(DeviceParams params, VbdSettings settings, BlockIo& io);

}  // namespace noxs
