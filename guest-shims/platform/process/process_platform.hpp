// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "guest-shims/platform/platform.hpp"

namespace guest {

/// What the process driver passes at entry (process_abi.hpp: platform_id).
inline constexpr std::uint64_t process_platform_id = 1;

/// The process driver's domain that this code runs in.
Platform& process_platform();

}  // namespace guest
