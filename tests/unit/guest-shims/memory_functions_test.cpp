// SPDX-License-Identifier: Apache-2.0
// The guest's memory functions, under names that do not replace the host's.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#define memcpy guest_memcpy
#define memmove guest_memmove
#define memset guest_memset
#define memcmp guest_memcmp
#define memchr guest_memchr
#define strlen guest_strlen
#include "guest-shims/runtime/string.cpp"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen

namespace guest {
namespace {

TEST(MemoryFunctions, CopyAndFill) {
    char space[8] = "1234567";
    EXPECT_EQ(guest_memcpy(space + 1, "ab", 2), space + 1);
    EXPECT_STREQ(space, "1ab4567");
    EXPECT_EQ(guest_memset(space, 'x', 3), space);
    EXPECT_STREQ(space, "xxx4567");
}

TEST(MemoryFunctions, MoveOverlapping) {
    for (int to = 0; to < 8; ++to) {
        for (int from = 0; from < 8; ++from) {
            std::string ours = "abcdefghijklmnop";
            std::string theirs = ours;
            guest_memmove(&ours[to], &ours[from], 8);
            std::memmove(&theirs[to], &theirs[from], 8);
            EXPECT_EQ(ours, theirs);
        }
    }
}

TEST(MemoryFunctions, CompareAndSearch) {
    EXPECT_EQ(guest_memcmp("abc", "abc", 3), 0);
    EXPECT_LT(guest_memcmp("abb", "abc", 3), 0);
    EXPECT_GT(guest_memcmp("\xff", "a", 1), 0);
    const char text[] = "find me";
    EXPECT_EQ(guest_memchr(text, 'm', 7), text + 5);
    EXPECT_EQ(guest_memchr(text, 'z', 7), nullptr);
    EXPECT_EQ(guest_strlen(text), 7U);
}

}  // namespace
}  // namespace guest
