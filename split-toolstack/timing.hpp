// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace split {

/// The phases of a launch, in order (LightVM, section 5.2). Prepare happens in the background where it can.
enum class Phase : std::uint8_t {
    // prepare
    reserve,     ///< the driver reserves and parks the domain: id, vcpu, memory (create_shell)
    channels,    ///< event channels
    noxs_pages,  ///< device page, control pages, grants
    park,        ///< backends made, shell put into the pool
    // execute
    parse,    ///< configuration
    claim,    ///< a shell taken from the pool
    record,   ///< the registry's file
    image,    ///< image found in the cache, loaded with boot parameters
    devices,  ///< devices filled in
    boot,     ///< start until the driver has let it go
    ready,    ///< start until the guest said ready
};
inline constexpr std::size_t phase_count = 11;
std::string_view phase_name(Phase phase) noexcept;

/// Duration of each phase of one domain in nanoseconds; 0: not done.
using Timing = std::array<std::uint32_t, phase_count>;

}  // namespace split
