// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/start_info.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace hypervisor {
namespace {

constexpr std::uint64_t page_gpa = 0x11000;
constexpr std::array<base::HvmMemmapEntry, 1> memmap{{{0x100000, 0x300000, base::memmap_ram, 0}}};

struct StartInfo : ::testing::Test {
    alignas(8) std::array<std::byte, base::page_size> page{};

    template <class T>
    const T* at(std::uint64_t gpa) const {
        return reinterpret_cast<const T*>(page.data() + (gpa - page_gpa));
    }
};

TEST_F(StartInfo, RamdiskIsTheFirstModule) {
    const auto used = render_start_info(page, page_gpa, {"a b", 0x12000, 0x300000, 5000, memmap});
    ASSERT_TRUE(used);
    const auto* info = at<base::HvmStartInfo>(page_gpa);
    EXPECT_EQ(info->version, 1U);
    ASSERT_EQ(info->nr_modules, 2U);
    const auto* modules = at<base::HvmModule>(info->modlist_paddr);
    EXPECT_EQ(modules[0].paddr, 0x300000U);
    EXPECT_EQ(modules[0].size, 5000U);
    EXPECT_EQ(modules[1].paddr, 0x12000U);
    EXPECT_STREQ(at<char>(modules[1].cmdline_paddr), "noxs");
    EXPECT_STREQ(at<char>(info->cmdline_paddr), "a b");
    EXPECT_EQ(at<base::HvmMemmapEntry>(info->memmap_paddr)->size, 0x300000U);
    EXPECT_LE(*used, page.size());
}

TEST_F(StartInfo, LongestCommandLineFitsAndOneMoreDoesNot) {
    const std::string longest(max_cmdline, 'x');
    EXPECT_TRUE(render_start_info(page, page_gpa, {longest, 0x12000, 0, 0, memmap}));
    const std::string longer(max_cmdline + 1, 'x');
    const auto refused = render_start_info(page, page_gpa, {longer, 0x12000, 0, 0, memmap});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Code::invalid_argument);
}

TEST_F(StartInfo, MemoryMapThatDoesNotFitIsRefused) {
    const std::array<base::HvmMemmapEntry, 200> huge{};
    EXPECT_FALSE(render_start_info(page, page_gpa, {"", 0x12000, 0, 0, huge}));
}

}  // namespace
}  // namespace hypervisor
