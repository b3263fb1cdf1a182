// SPDX-License-Identifier: Apache-2.0
#include "base/mapping.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.hpp"
#include "base/ids.hpp"

namespace base {
namespace {

Fd two_pages() {
    Fd fd(::memfd_create("test", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(fd.get(), 2 * page_size), 0);
    return fd;
}

TEST(Mapping, IsSharedWithTheFile) {
    const auto fd = two_pages();
    const auto mapping = Mapping::map(fd.get(), page_size, page_size, Access::read_write, Populate::now);
    ASSERT_TRUE(mapping);
    EXPECT_EQ(mapping->size(), page_size);
    *mapping->at<std::uint32_t>(8) = 0x12345678;
    std::uint32_t read = 0;
    ASSERT_EQ(::pread(fd.get(), &read, sizeof read, page_size + 8), ssize_t{sizeof read});
    EXPECT_EQ(read, 0x12345678U);
}

TEST(Mapping, MovesAndEndsOnce) {
    const auto fd = two_pages();
    auto first = Mapping::map(fd.get(), 0, page_size, Access::read_write);
    ASSERT_TRUE(first);
    Mapping second = std::move(*first);
    EXPECT_FALSE(*first);
    ASSERT_TRUE(second);
    std::memset(second.data(), 1, second.size());
    second = Mapping();
    EXPECT_FALSE(second);
}

TEST(Mapping, ViewOwnsNothing) {
    std::byte buffer[16]{};
    {
        const auto view = Mapping::view(buffer, sizeof buffer);
        EXPECT_EQ(view.data(), buffer);
    }
    EXPECT_EQ(buffer[0], std::byte{0});
}

TEST(Mapping, BadDescriptorIsAnError) {
    const auto mapping = Mapping::map(-1, 0, page_size, Access::read_only);
    ASSERT_FALSE(mapping);
    EXPECT_NE(mapping.error().sys_errno, 0);
}

}  // namespace
}  // namespace base
