// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "guest-shims/platform/platform.hpp"

namespace guest {

/// What the kvm driver passes at entry (kvm_abi.hpp: platform_id).
inline constexpr std::uint64_t kvm_platform_id = 2;

/// The kvm driver's domain that this code runs in.
Platform& kvm_platform();

}  // namespace guest
