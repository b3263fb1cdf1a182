// SPDX-License-Identifier: Apache-2.0
// The PC's timer (Intel 8254), of which a machine that does not tell the TSC's rate lets us measure it.
#pragma once

#include <cstdint>

namespace guest::pvh {

inline constexpr std::uint32_t pit_hz = 1'193'182;
inline constexpr std::uint16_t calibration_ticks = 11932;  // 10 ms
inline constexpr std::uint64_t calibration_ns = std::uint64_t{calibration_ticks} * 1'000'000'000 / pit_hz;

/// ns = ticks * mul * 2^(tsc_shift - 32) (pvclock.hpp: ticks_to_ns): fits rates from 4 MHz, and is exact to 1e-6 up to
/// 16 GHz.
inline constexpr std::int8_t tsc_shift = 8;

/// The multiplier of a TSC that counted `ticks` in calibration_ns. Where that makes no sense, because there is no
/// timer, that of 1 GHz.
constexpr std::uint32_t tsc_multiplier(std::uint64_t ticks) {
    constexpr std::uint64_t slowest = 4'000'000 / (1'000'000'000 / calibration_ns);
    constexpr std::uint64_t fastest = 4000 * slowest;
    const std::uint64_t counted = ticks < slowest || ticks > fastest ? calibration_ns : ticks;
    return static_cast<std::uint32_t>((calibration_ns << (32 - tsc_shift)) / counted);
}

}  // namespace guest::pvh
