// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "noxs/wire/control_page.hpp"

namespace noxs {

/// What the vif backend offers.
inline constexpr std::uint64_t vif_features = static_cast<std::uint64_t>(wire::VifFeature::scatter_gather) |
                                              static_cast<std::uint64_t>(wire::VifFeature::tx_checksum) |
                                              static_cast<std::uint64_t>(wire::VifFeature::rx_checksum);
inline constexpr std::uint16_t vif_queues = 1;

}  // namespace noxs
