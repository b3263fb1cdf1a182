// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace hypervisor::kvm {

/// base/vcpu_time_info.hpp: ns = (ticks << shift, or >> -shift) * mul / 2^32.
struct TimeScale {
    std::uint32_t mul;
    std::int8_t shift;
};

/// The most exact scale for a counter of `khz`, not 0: mul has its highest bit set.
constexpr TimeScale time_scale(std::uint32_t khz) {
    constexpr std::uint64_t ns_per_ms = 1'000'000;
    std::uint64_t ticks = khz;
    std::int8_t shift = 0;
    for (; ticks <= ns_per_ms; ticks *= 2) {
        ++shift;
    }
    std::uint64_t ns = ns_per_ms;
    for (; ns * 2 < ticks; ns *= 2) {
        --shift;
    }
    return {static_cast<std::uint32_t>((ns << 32) / ticks), shift};
}

}  // namespace hypervisor::kvm
