// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/page_tables.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace guest {
namespace {

constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t mib = 1ULL << 20;

/// The page tables of this process stand for physical memory: both are mapped one to one.
class PageTables : public testing::Test {
 protected:
    PageTables() { pdpt[0] = 0xabc003; }

    /// Page tables taken.
    std::size_t map(std::vector<base::HvmMemmapEntry> entries) {
        const auto begin = reinterpret_cast<std::uint64_t>(tables.data());
        return (map_ram(pdpt, entries, begin) - begin) / base::page_size;
    }

    std::uint64_t entry_of(std::uint64_t gpa) const {
        const std::uint64_t table = pdpt[gpa >> 30];
        return table == 0 ? 0 : reinterpret_cast<const std::uint64_t*>(table & ~0xfffULL)[gpa >> 21 & 511];
    }

    struct alignas(base::page_size) Table {
        std::uint64_t entries[512];
    };
    std::array<std::uint64_t, 512> pdpt{};
    std::vector<Table> tables{600};
};

TEST_F(PageTables, LeavesASmallGuestAlone) {
    EXPECT_EQ(map({{mib, gib - mib, base::memmap_ram, 0}}), 0U);
    EXPECT_EQ(pdpt[0], 0xabc003U);
    EXPECT_EQ(pdpt[1], 0U);
}

TEST_F(PageTables, MapsRamAndNothingElse) {
    EXPECT_EQ(map({{0x1000, 0x6d000, base::memmap_reserved, 0},
                   {mib, 3 * gib - mib, base::memmap_ram, 0},
                   {0xfeff8000, 0x8000, base::memmap_reserved, 0},
                   {4 * gib, 64 * mib, base::memmap_ram, 0}}),
              3U);
    EXPECT_EQ(pdpt[0], 0xabc003U);
    EXPECT_EQ(entry_of(gib), gib | 0x83);
    EXPECT_EQ(entry_of(3 * gib - 1), (3 * gib - 2 * mib) | 0x83);
    EXPECT_EQ(entry_of(0xdead0000), 0U);
    EXPECT_EQ(entry_of(4 * gib), 4 * gib | 0x83);
    EXPECT_EQ(entry_of(4 * gib + 64 * mib - 1), (4 * gib + 62 * mib) | 0x83);
    EXPECT_EQ(entry_of(4 * gib + 64 * mib), 0U);
}

TEST_F(PageTables, RoundsToLargePages) {
    EXPECT_EQ(map({{mib, gib + 4096 - mib, base::memmap_ram, 0}, {2 * gib + mib, 4096, base::memmap_ram, 0}}), 2U);
    EXPECT_EQ(entry_of(gib), gib | 0x83);
    EXPECT_EQ(entry_of(gib + 2 * mib), 0U);
    EXPECT_EQ(entry_of(2 * gib), 2 * gib | 0x83);
}

TEST_F(PageTables, StopsAtWhatOneTableReaches) {
    EXPECT_EQ(map({{4 * gib, 2048 * gib, base::memmap_ram, 0}}), 508U);
    EXPECT_EQ(entry_of(512 * gib - 1), (512 * gib - 2 * mib) | 0x83);
}

}  // namespace
}  // namespace guest
