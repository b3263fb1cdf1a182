// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/calendar.hpp"

#include <gtest/gtest.h>

#include <string>

namespace guest {
namespace {

std::string text_of(std::uint64_t seconds) {
    char space[64];
    TextBuffer text(space);
    put_time(text, {seconds * ns_per_second});
    return std::string(text.text());
}

TEST(Calendar, TellsDays) {
    EXPECT_EQ(text_of(0), "Thursday, January 1, 1970 00:00:00-UTC");
    EXPECT_EQ(text_of(951'782'400), "Tuesday, February 29, 2000 00:00:00-UTC");
    EXPECT_EQ(text_of(1'709'251'199), "Thursday, February 29, 2024 23:59:59-UTC");
    EXPECT_EQ(text_of(1'709'251'200), "Friday, March 1, 2024 00:00:00-UTC");
    EXPECT_EQ(text_of(4'107'542'400), "Monday, March 1, 2100 00:00:00-UTC");
    EXPECT_EQ(text_of(1'795'262'709), "Saturday, November 21, 2026 12:05:09-UTC");
}

}  // namespace
}  // namespace guest
