// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/pvclock.hpp"

#include <gtest/gtest.h>

namespace guest {
namespace {

constexpr std::uint32_t half = 0x80000000;  // with shift 1: one ns per tick

TEST(Pvclock, ScalesTicks) {
    EXPECT_EQ(ticks_to_ns(1000, half, 1), 1000U);
    EXPECT_EQ(ticks_to_ns(1000, half, 0), 500U);
    EXPECT_EQ(ticks_to_ns(1000, half, -1), 250U);
    EXPECT_EQ(ticks_to_ns(3, half, 3), 12U);
}

TEST(Pvclock, ScalesAnyNumberOfTicks) {
    // 2.5 GHz for 200 years: ticks * mul takes 95 bits.
    constexpr std::uint64_t seconds = 200ULL * 365 * 86400;
    constexpr std::uint32_t mul = 0xcccccccd;  // 0.8; with shift -1: 0.4 ns per tick
    EXPECT_NEAR(static_cast<double>(ticks_to_ns(seconds * 2'500'000'000, mul, -1)), static_cast<double>(seconds) * 1e9,
                1e10);
    EXPECT_EQ(ticks_to_ns(UINT64_MAX, half, 1), UINT64_MAX);
    EXPECT_EQ(ticks_to_ns(UINT64_MAX, 1, -31), 1U);
    EXPECT_EQ(ticks_to_ns(1, UINT32_MAX, 31), 0xffffffffULL << 31 >> 32);
}

TEST(PvclockTime, AddsTheTicksSinceTheStamp) {
    const base::VcpuTimeInfo time{2, 0, 5000, 1'000'000, half, 1, 0, {}};
    EXPECT_EQ(system_time(time, [] { return 5250; }), 1'000'250U);
}

TEST(PvclockTime, TakesTicksBeforeTheStampAsNone) {
    const base::VcpuTimeInfo time{2, 0, 5000, 1'000'000, half, 1, 0, {}};
    EXPECT_EQ(system_time(time, [] { return 4999; }), 1'000'000U);
}

TEST(PvclockTime, CountsFromAStampOlderThanTheDomain) {
    const base::VcpuTimeInfo time{2, 0, static_cast<std::uint64_t>(-5000), 1'000'000, half, 1, 0, {}};
    EXPECT_EQ(system_time(time, [] { return 250; }), 1'005'250U);
}

TEST(PvclockTime, StartsOverWhileTheStampIsWritten) {
    base::VcpuTimeInfo time{3, 0, 5000, 1'000'000, half, 1, 0, {}};
    int reads = 0;
    const auto tsc = [&] {
        switch (++reads) {
            case 1:  // seen odd; done now
                time.version = 4;
                break;
            case 2:  // seen even, changed under the reader
                time.system_time = 2'000'000;
                time.version = 6;
                break;
            default: break;
        }
        return 5001;
    };
    EXPECT_EQ(system_time(time, tsc), 2'000'001U);
    EXPECT_EQ(reads, 3);
}

}  // namespace
}  // namespace guest
