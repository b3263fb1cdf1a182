// SPDX-License-Identifier: Apache-2.0
// The bytes of wire format version 1. They never change: a change of bytes is version 2, with a folder of its own.
// After *adding* a structure: NOXS_WRITE_GOLDEN=1 build/bin/unit_noxs --gtest_filter='Wire.*' writes missing files, and
// only those.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "noxs/page_reader.hpp"
#include "noxs/wire/console_ring.hpp"
#include "noxs/wire/control_page.hpp"
#include "tests/unit/noxs/golden.hpp"

namespace noxs::wire {
namespace {

std::string golden_path(const std::string& name) {
    return std::string(CHAOS_SOURCE_DIR "/tests/golden/noxs/v1/") + name;
}

bool write_if_asked(const test_support::Golden& golden) {
    if (std::getenv("NOXS_WRITE_GOLDEN") == nullptr || std::ifstream(golden_path(golden.name))) {
        return false;
    }
    std::ofstream(golden_path(golden.name), std::ios::binary) << golden.bytes;
    return true;
}

TEST(Wire, MatchesGoldenBytes) {
    for (const auto& golden : test_support::render_golden()) {
        write_if_asked(golden);
        std::ifstream file(golden_path(golden.name), std::ios::binary);
        ASSERT_TRUE(file) << golden_path(golden.name) << " is missing";
        const std::string expected{std::istreambuf_iterator<char>(file), {}};
        ASSERT_EQ(golden.bytes.size(), expected.size()) << golden.name;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            ASSERT_EQ(golden.bytes[i], expected[i]) << golden.name << ", byte " << i;
        }
    }
}

TEST(Wire, ReadsGoldenDevicePage) {
    std::ifstream file(golden_path("device_page.bin"), std::ios::binary);
    alignas(8) DevicePage page{};
    ASSERT_TRUE(file.read(reinterpret_cast<char*>(&page), sizeof(page)));
    PageReader reader;
    ASSERT_EQ(reader.read(page), PageError::none);
    EXPECT_EQ(reader.generation(), 2U);
    EXPECT_EQ(reader.find(DeviceType::console, 0x01020301), nullptr);
    const auto* vbd = reader.find(DeviceType::vbd, 0x01020303);
    ASSERT_NE(vbd, nullptr);
    EXPECT_EQ(vbd->backend, 0x1113);
    EXPECT_EQ(vbd->control_ref, 508U);
    EXPECT_EQ(vbd->port, 4U);
    EXPECT_EQ(vbd->control_gfn, 0x0000000fedcba903U);
}

/// Tripwires: a constant that moves breaks every guest that was ever built.
TEST(Wire, NumbersAreForever) {
    EXPECT_EQ(magic, 0x53584f4eU);
    EXPECT_EQ(version, 1);
    EXPECT_EQ(page_size, 4096U);
    EXPECT_EQ(max_devices, 127U);
    EXPECT_EQ(max_queues, 8U);

    EXPECT_EQ(static_cast<int>(DeviceType::none), 0);
    EXPECT_EQ(static_cast<int>(DeviceType::sysctl), 1);
    EXPECT_EQ(static_cast<int>(DeviceType::console), 2);
    EXPECT_EQ(static_cast<int>(DeviceType::vif), 3);
    EXPECT_EQ(static_cast<int>(DeviceType::vbd), 4);
}

TEST(Wire, StatesAreXenbusStates) {
    const State states[] = {State::unknown,     State::initialising,  State::init_wait,
                            State::initialised, State::connected,     State::closing,
                            State::closed,      State::reconfiguring, State::reconfigured};
    for (std::uint32_t i = 0; i < std::size(states); ++i) {
        EXPECT_EQ(static_cast<std::uint32_t>(states[i]), i);
    }
}

TEST(Wire, SysctlNumbersAreForever) {
    EXPECT_EQ(static_cast<int>(SysctlRequest::power_off), 1);
    EXPECT_EQ(static_cast<int>(SysctlRequest::reboot), 2);
    EXPECT_EQ(static_cast<int>(SysctlRequest::suspend), 4);
    EXPECT_EQ(static_cast<int>(SysctlRequest::resume), 8);
    EXPECT_EQ(static_cast<int>(ShutdownReason::none), 0);
    EXPECT_EQ(static_cast<int>(ShutdownReason::power_off), 1);
    EXPECT_EQ(static_cast<int>(ShutdownReason::reboot), 2);
    EXPECT_EQ(static_cast<int>(ShutdownReason::suspend), 3);
    EXPECT_EQ(static_cast<int>(ShutdownReason::crash), 4);
    EXPECT_EQ(static_cast<int>(ShutdownReason::out_of_memory), 5);
}

TEST(Wire, VbdFlagsAreForever) {
    EXPECT_EQ(static_cast<int>(VbdFlag::read_only), 1);
    EXPECT_EQ(static_cast<int>(VbdFlag::discard), 2);
    EXPECT_EQ(static_cast<int>(VbdFlag::flush), 4);
    EXPECT_EQ(static_cast<int>(VbdFlag::cdrom), 8);
}

}  // namespace
}  // namespace noxs::wire
