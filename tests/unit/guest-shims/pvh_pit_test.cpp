// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/pvh/pit.hpp"

#include <gtest/gtest.h>

#include "guest-shims/platform/pvclock.hpp"

namespace guest::pvh {
namespace {

/// A second, as a TSC of `hz` shows it.
std::uint64_t second_at(std::uint64_t hz) {
    const std::uint32_t multiplier = tsc_multiplier(hz / 1'000'000 * calibration_ns / 1000);
    return ticks_to_ns(hz, multiplier, tsc_shift);
}

TEST(PvhPit, MeasuresSlowAndFastCounters) {
    for (const std::uint64_t hz :
         {8'000'000ULL, 500'000'000ULL, 1'000'000'000ULL, 2'445'000'000ULL, 15'000'000'000ULL}) {
        EXPECT_NEAR(static_cast<double>(second_at(hz)), 1e9, 2e4) << hz;
    }
}

TEST(PvhPit, TakesNonsenseForOneGigahertz) {
    const std::uint32_t usual = tsc_multiplier(calibration_ns);
    EXPECT_EQ(ticks_to_ns(1'000'000'000, usual, tsc_shift), 1'000'000'000U);
    EXPECT_EQ(tsc_multiplier(0), usual);
    EXPECT_EQ(tsc_multiplier(1), usual);
    EXPECT_EQ(tsc_multiplier(UINT64_MAX), usual);
}

}  // namespace
}  // namespace guest::pvh
