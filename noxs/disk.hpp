// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "noxs/data_plane.hpp"

namespace noxs {

enum class DiskAccess : std::uint8_t { read_only, read_write };

/// Opens a raw image file or a block device and locks it: one writer, or any number of readers. The lock belongs to the
/// descriptor (F_OFD_SETLK), so it lasts until the last request that the kernel still works on is done, also of a daemon
/// that was killed. Errors: not_found, permission_denied, bad_state ("in use by ..."), unsupported (no file or block
/// device, not a multiple of 512 bytes).
Result<VbdSettings> open_disk(const std::string& path, DiskAccess access);

}  // namespace noxs
