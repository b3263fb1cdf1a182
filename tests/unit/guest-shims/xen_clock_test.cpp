// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/xen/clock.hpp"

#include <gtest/gtest.h>

namespace guest::xen {
namespace {

TEST(XenClock, ReadsTheWallClockBeyond2106) {
    SharedInfo info{};
    info.wc_sec = 7;
    info.wc_sec_hi = 1;
    info.wc_nsec = 9;
    EXPECT_EQ(wall_clock_base(info), ((1ULL << 32) + 7) * ns_per_second + 9);
}

TEST(XenClock, DeadlinesAreNeverNone) {
    EXPECT_NE(deadline(0, 0), 0U);
    EXPECT_EQ(deadline(1000, 101), 1101U);
    EXPECT_EQ(deadline(1000, UINT64_MAX), static_cast<std::uint64_t>(INT64_MAX));
    EXPECT_EQ(deadline(INT64_MAX, 1), static_cast<std::uint64_t>(INT64_MAX));
    EXPECT_LE(deadline(1000, INT64_MAX - 1001), static_cast<std::uint64_t>(INT64_MAX));
}

}  // namespace
}  // namespace guest::xen
