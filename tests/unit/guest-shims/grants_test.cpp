// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/grants.hpp"

#include <gtest/gtest.h>

#include <array>

namespace guest {
namespace {

const void* page(std::uint64_t gfn) {
    return reinterpret_cast<const void*>(gfn * base::page_size);
}

TEST(Grants, TakesTheFirstFreeEntryBehindTheReserved) {
    std::array<base::GrantEntryV1, 16> table{};
    table[8].flags = base::grant_permit_access;
    const auto ref = grant_page(table, page(0x123), base::DomId{5});
    ASSERT_TRUE(ref);
    EXPECT_EQ(ref->value, 9U);
    EXPECT_EQ(table[9].flags, base::grant_permit_access);
    EXPECT_EQ(table[9].domid, 5);
    EXPECT_EQ(table[9].frame, 0x123U);
}

TEST(Grants, SaysWhenTheTableIsFull) {
    std::array<base::GrantEntryV1, 10> table{};
    EXPECT_TRUE(grant_page(table, page(1), base::dom0));
    EXPECT_TRUE(grant_page(table, page(2), base::dom0));
    EXPECT_FALSE(grant_page(table, page(3), base::dom0));
    revoke_grant(table, base::GrantRef{8});
    EXPECT_EQ(grant_page(table, page(3), base::dom0)->value, 8U);
}

TEST(Grants, NeverRevokesReservedEntriesOrBeyond) {
    std::array<base::GrantEntryV1, 10> table{};
    table[0].flags = base::grant_permit_access;
    revoke_grant(table, base::GrantRef{0});
    revoke_grant(table, base::GrantRef{10});
    EXPECT_EQ(table[0].flags, base::grant_permit_access);
}

TEST(Grants, ReadOnlyIsAFlagOfTheEntry) {
    std::array<base::GrantEntryV1, 16> table{};
    const auto ref = grant_page(table, page(1), base::dom0, GrantAccess::read_only);
    ASSERT_TRUE(ref);
    EXPECT_EQ(table[ref->value].flags, base::grant_permit_access | base::grant_readonly);
}

TEST(GrantTable, GoesOnBehindTheLastOneAndComesRound) {
    std::array<base::GrantEntryV1, 12> entries{};
    entries[10].flags = base::grant_permit_access;  // of another user of the table
    GrantTable table(entries);
    EXPECT_EQ(table.grant(page(1), base::dom0)->value, 8U);
    EXPECT_EQ(table.grant(page(2), base::dom0)->value, 9U);
    table.revoke(base::GrantRef{8});
    EXPECT_EQ(table.grant(page(3), base::dom0)->value, 11U);
    EXPECT_EQ(table.grant(page(4), base::dom0)->value, 8U);
    EXPECT_FALSE(table.grant(page(5), base::dom0));
    table.revoke(base::GrantRef{11});
    EXPECT_EQ(table.grant(page(6), base::dom0)->value, 11U);
}

}  // namespace
}  // namespace guest
