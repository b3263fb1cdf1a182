// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace guest {

/// Puts the sum of the pseudo-header into the checksum field of a frame with TCP or UDP over IPv4, where a backend goes
/// on from. Returns false, and changes nothing, for any other frame and for fragments.
bool put_pseudo_header_sum(std::span<std::byte> frame);

/// The Internet checksum of `bytes`, not inverted, going on from `sum`.
std::uint16_t ones_sum(std::span<const std::byte> bytes, std::uint32_t sum = 0);

}  // namespace guest
