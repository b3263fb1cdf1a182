// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_guest.hpp"

namespace guest {
namespace {

namespace wire = noxs::wire;
using testing::ElementsAre;
using testing::IsEmpty;

std::int32_t exit_code_of(const std::function<void()>& act) {
    try {
        act();
    } catch (const GuestEnded& ended) {
        return ended.code;
    }
    ADD_FAILURE() << "the guest did not end";
    return -1;
}

TEST(Sysctl, ReadyConnectsAndRingsOnce) {
    FakeGuest guest;
    System system(guest.platform, guest.boot(), 0);
    EXPECT_THAT(guest.platform.rung, IsEmpty());
    system.ready();
    EXPECT_EQ(guest.sysctl.page.ready, 1U);
    EXPECT_EQ(guest.sysctl.page.header.frontend_state, wire::State::connected);
    EXPECT_THAT(guest.platform.rung, ElementsAre(FakeGuest::sysctl_port));
}

TEST(Sysctl, LeavesTheConsoleAlone) {
    FakeGuest guest;
    System system(guest.platform, guest.boot(), 0);
    system.ready();
    EXPECT_EQ(guest.console.page.header.frontend_state, wire::State::unknown);
    EXPECT_EQ(guest.platform.grants[base::grant_reserved_entries].flags, 0);
}

TEST(Sysctl, HonoursPowerOffWhileItWaits) {
    FakeGuest guest;
    System system(guest.platform, guest.boot(), 0);
    system.wait();
    guest.sysctl.page.requests = static_cast<std::uint32_t>(wire::SysctlRequest::power_off);
    EXPECT_EQ(exit_code_of([&] { system.wait(); }), 0);
    EXPECT_EQ(guest.sysctl.page.acknowledged, static_cast<std::uint32_t>(wire::SysctlRequest::power_off));
    EXPECT_EQ(guest.sysctl.page.reason, wire::ShutdownReason::power_off);
    EXPECT_THAT(guest.platform.rung, ElementsAre(FakeGuest::sysctl_port));
}

TEST(Sysctl, HonoursReboot) {
    FakeGuest guest;
    System system(guest.platform, guest.boot(), 0);
    guest.sysctl.page.requests = static_cast<std::uint32_t>(wire::SysctlRequest::reboot);
    EXPECT_EQ(exit_code_of([&] { system.wait(); }), 0);
    EXPECT_EQ(guest.sysctl.page.acknowledged, static_cast<std::uint32_t>(wire::SysctlRequest::reboot));
    EXPECT_EQ(guest.sysctl.page.reason, wire::ShutdownReason::reboot);
}

TEST(Sysctl, DoesNotAcknowledgeWhatItCannotDo) {
    FakeGuest guest;
    System system(guest.platform, guest.boot(), 0);
    guest.sysctl.page.requests = ~3U;
    system.wait();
    EXPECT_EQ(guest.sysctl.page.acknowledged, 0U);
}

TEST(Sysctl, SaysWhyTheGuestEnds) {
    FakeGuest guest;
    System system(guest.platform, guest.boot(), 0);
    EXPECT_EQ(exit_code_of([&] { system.shutdown(wire::ShutdownReason::crash, -7); }), -7);
    EXPECT_EQ(guest.sysctl.page.exit_code, -7);
    EXPECT_EQ(guest.sysctl.page.reason, wire::ShutdownReason::crash);
}

TEST(Sysctl, OutOfMemoryEndsTheGuest) {
    FakeGuest guest;
    System system(guest.platform, guest.boot(), 0);
    EXPECT_EQ(exit_code_of([&] { system.allocate(16); }), exit_out_of_memory);
    EXPECT_EQ(guest.sysctl.page.reason, wire::ShutdownReason::out_of_memory);
}

TEST(Sysctl, IgnoresAControlPageOfAnotherDevice) {
    FakeGuest guest;
    guest.sysctl.page.header.type = wire::DeviceType::vif;
    System system(guest.platform, guest.boot(), 0);
    system.ready();
    EXPECT_EQ(guest.sysctl.page.ready, 0U);
    EXPECT_THAT(guest.platform.rung, IsEmpty());
}

TEST(Sysctl, GuestWithoutDevicesRunsAndEnds) {
    FakePlatform platform;
    System system(platform, BootInfo{}, 0);
    system.ready();
    system.wait();
    EXPECT_EQ(exit_code_of([&] { system.shutdown(wire::ShutdownReason::power_off, 4); }), 4);
    EXPECT_THAT(platform.rung, IsEmpty());
}

}  // namespace
}  // namespace guest
