// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/boot_info.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace guest {
namespace {

class BootInfoTest : public testing::Test {
 protected:
    static std::uint64_t address(const void* p) { return reinterpret_cast<std::uint64_t>(p); }

    BootInfoTest() {
        info.magic = base::hvm_start_magic;
        info.version = 1;
        info.nr_modules = 2;
        info.modlist_paddr = address(modules);
        info.cmdline_paddr = address(cmdline);
        info.memmap_paddr = address(memory);
        info.memmap_entries = 2;
        modules[0] = {0x300000, 0x1000, 0, 0};
        modules[1] = {address(&device_page), sizeof device_page, address(base::noxs_module_cmdline), 0};
        memory[0] = {0x0, 0x80000, base::memmap_reserved, 0};
        memory[1] = {0x100000, 0x300000, base::memmap_ram, 0};
    }

    base::HvmStartInfo info{};
    base::HvmModule modules[2]{};
    base::HvmMemmapEntry memory[2]{};
    noxs::wire::DevicePage device_page{};
    char cmdline[16] = "name=x exit=3";
};

TEST_F(BootInfoTest, ReadsAll) {
    const auto boot = parse_boot_info(&info);
    ASSERT_TRUE(boot);
    EXPECT_EQ(boot->cmdline, "name=x exit=3");
    EXPECT_EQ(boot->device_page, &device_page);
    EXPECT_EQ(boot->ram_size(), 0x300000U);
    ASSERT_NE(boot->ramdisk(), nullptr);
    EXPECT_EQ(boot->ramdisk()->paddr, 0x300000U);
}

TEST_F(BootInfoTest, FreeRamEndsAtTheRamdisk) {
    const auto range = parse_boot_info(&info)->free_ram(0x120000);
    EXPECT_EQ(range.begin, 0x120000U);
    EXPECT_EQ(range.end, 0x300000U);
}

TEST_F(BootInfoTest, FreeRamEndsWithRam) {
    info.nr_modules = 0;
    const auto boot = parse_boot_info(&info);
    EXPECT_EQ(boot->free_ram(0x120000).end, 0x400000U);
    EXPECT_EQ(boot->free_ram(0x400000).size(), 0U);
    EXPECT_EQ(boot->free_ram(0x1000).size(), 0U);
    EXPECT_EQ(boot->device_page, nullptr);
}

TEST_F(BootInfoTest, RamThatWrapsAroundIsNone) {
    memory[1] = {0x100000, ~std::uint64_t{0}, base::memmap_ram, 0};
    EXPECT_EQ(parse_boot_info(&info)->free_ram(0x120000).size(), 0U);
}

TEST_F(BootInfoTest, RejectsWhatIsNoStartInfo) {
    EXPECT_FALSE(parse_boot_info(nullptr));
    auto good = info;
    info.magic = 0;
    EXPECT_FALSE(parse_boot_info(&info));
    info = good;
    info.version = 0;
    EXPECT_FALSE(parse_boot_info(&info));
    info = good;
    info.nr_modules = 0xffffffff;
    EXPECT_FALSE(parse_boot_info(&info));
    info = good;
    info.memmap_entries = 1000;
    EXPECT_FALSE(parse_boot_info(&info));
    info = good;
    info.modlist_paddr = 0;
    EXPECT_FALSE(parse_boot_info(&info));
}

TEST_F(BootInfoTest, IgnoresADevicePageThatIsTooSmall) {
    modules[1].size = 4095;
    EXPECT_EQ(parse_boot_info(&info)->device_page, nullptr);
}

TEST_F(BootInfoTest, NoCommandLineIsAnEmptyOne) {
    info.cmdline_paddr = 0;
    EXPECT_EQ(parse_boot_info(&info)->cmdline, "");
}

TEST_F(BootInfoTest, CutsOffAnEndlessCommandLine) {
    const std::vector<char> endless(max_cmdline + 100, 'x');
    info.cmdline_paddr = address(endless.data());
    EXPECT_EQ(parse_boot_info(&info)->cmdline.size(), max_cmdline);
}

}  // namespace
}  // namespace guest
