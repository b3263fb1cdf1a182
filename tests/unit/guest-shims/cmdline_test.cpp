// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/cmdline.hpp"

#include <gtest/gtest.h>

namespace guest {
namespace {

TEST(Cmdline, FindsTheLastOfAKey) {
    EXPECT_EQ(option("fault=jump  ready=0\tfault=open ", "fault"), "open");
    EXPECT_EQ(option("fault=jump ready=0", "ready"), "0");
    EXPECT_EQ(option("empty=", "empty"), "");
    EXPECT_EQ(option("a=b=c", "a"), "b=c");
}

TEST(Cmdline, MissesWhatIsNotThere) {
    EXPECT_FALSE(option("", "fault"));
    EXPECT_FALSE(option("nofault=1 fault faults=2", "fault"));
}

TEST(Cmdline, ReadsNumbers) {
    EXPECT_EQ(number_option("exit=7", "exit"), 7);
    EXPECT_EQ(number_option("exit=-2147483648", "exit"), -2147483647 - 1);
    EXPECT_EQ(number_option("exit=2147483647", "exit"), 2147483647);
}

TEST(Cmdline, RejectsWhatIsNoNumber) {
    for (const auto* text : {"exit=", "exit=-", "exit=1x", "exit=+1", "exit=2147483648", "exit=-2147483649",
                             "exit=99999999999999999999999999", "exit", ""}) {
        EXPECT_FALSE(number_option(text, "exit")) << text;
    }
}

TEST(Cmdline, FindsTheFirstBareWord) {
    EXPECT_EQ(first_bare_word(" exit=1 world peace"), "world");
    EXPECT_EQ(first_bare_word("a=b"), "");
    EXPECT_EQ(first_bare_word(""), "");
}

}  // namespace
}  // namespace guest
