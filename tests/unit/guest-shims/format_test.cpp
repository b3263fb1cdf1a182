// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/format.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace guest {
namespace {

template <class... Args>
std::string text(std::string_view pattern, const Args&... args) {
    char space[256];
    TextBuffer buffer(space);
    format(buffer, pattern, args...);
    return std::string(buffer.text());
}

TEST(Format, ReplacesInOrder) {
    EXPECT_EQ(text("{} is {}, {}", "a", std::string_view("b"), 3), "a is b, 3");
}

TEST(Format, WritesEveryInteger) {
    EXPECT_EQ(text("{} {}", 0, -1), "0 -1");
    EXPECT_EQ(text("{}", std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
    EXPECT_EQ(text("{}", std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
    EXPECT_EQ(text("{}", std::int8_t{-128}), "-128");
    EXPECT_EQ(text("{} {}", true, false), "true false");
}

TEST(Format, WritesHexAndPointers) {
    EXPECT_EQ(text("{:x} {:08x}", 0xdeadU, 0xbeefU), "dead 0000beef");
    EXPECT_EQ(text("{}", reinterpret_cast<const void*>(0x1234)), "0x1234");
}

TEST(Format, Pads) {
    EXPECT_EQ(text("[{:5}|{:<5}|{:05}]", 42, 42, -42), "[   42|42   |-0042]");
    EXPECT_EQ(text("[{:5}]", "ab"), "[ab   ]");
    EXPECT_EQ(text("{:9999999999}", 1).size(), 64U);
}

TEST(Format, KnowsDoubledBraces) {
    EXPECT_EQ(text("{{{}}}", 1), "{1}");
}

TEST(Format, SurvivesABadPattern) {
    EXPECT_EQ(text("{} {}", 1), "1 {?}");
    EXPECT_EQ(text("none", 1), "none");
    EXPECT_EQ(text("open {", 1), "open {");
    EXPECT_EQ(text("close }", 1), "close }");
    EXPECT_EQ(text("{:!?}", 1), "1");
    EXPECT_EQ(text(""), "");
}

TEST(TextBuffer, CutsOffWhatDoesNotFit) {
    char space[4];
    TextBuffer buffer(space);
    buffer.put("abc");
    buffer.put("def");
    EXPECT_EQ(buffer.text(), "abcd");
}

}  // namespace
}  // namespace guest
