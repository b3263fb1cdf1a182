// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/xen/events.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace guest::xen {
namespace {

using noxs::wire::DeviceType;

TEST(XenEvents, TakesEachPendingPortOnce) {
    SharedInfo info{};
    info.evtchn_pending[0] = 1ULL << 1 | 1ULL << 63;
    info.evtchn_pending[1] = 1ULL << 63;
    info.vcpu_info[0].upcall_pending = 1;
    const PortSet ports = take_pending(info);
    EXPECT_TRUE(ports.has(base::EvtchnPort{1}));
    EXPECT_TRUE(ports.has(base::EvtchnPort{63}));
    EXPECT_TRUE(ports.has(base::EvtchnPort{127}));
    EXPECT_FALSE(ports.has(base::EvtchnPort{64}));
    EXPECT_FALSE(take_pending(info).any());
}

TEST(XenEvents, IgnoresPortsBeyondItsOwn) {
    SharedInfo info{};
    info.evtchn_pending[2] = ~0ULL;
    EXPECT_FALSE(take_pending(info).any());
    EXPECT_EQ(info.evtchn_pending[2], ~0ULL);
}

class DevicePortsTest : public testing::Test {
 protected:
    void add(DeviceType type, std::uint32_t port) {
        auto& entry = page.entries[page.count++];
        entry.type = type;
        entry.port = port;
    }

    std::vector<std::uint32_t> ports() const {
        std::array<std::uint32_t, noxs::wire::max_devices> out{};
        const std::uint32_t count = device_ports(&page, out);
        return {out.begin(), out.begin() + count};
    }

    noxs::wire::DevicePage page{};
};

TEST_F(DevicePortsTest, ListsThoseOfDevices) {
    add(DeviceType::sysctl, 3);
    add(DeviceType::none, 4);
    add(static_cast<DeviceType>(999), 127);
    EXPECT_EQ(ports(), (std::vector<std::uint32_t>{3, 127}));
}

TEST_F(DevicePortsTest, LeavesOutWhatCanNotBeAPort) {
    add(DeviceType::sysctl, 0);
    add(DeviceType::console, 128);
    add(DeviceType::vif, UINT32_MAX);
    EXPECT_TRUE(ports().empty());
}

TEST_F(DevicePortsTest, DoesNotBelieveTheCount) {
    add(DeviceType::sysctl, 3);
    page.count = UINT32_MAX;
    EXPECT_EQ(ports(), std::vector<std::uint32_t>{3});
}

TEST_F(DevicePortsTest, AFullPageFits) {
    for (std::uint32_t i = 0; i < noxs::wire::max_devices; ++i) {
        add(DeviceType::vif, i + 1);
    }
    EXPECT_EQ(ports().size(), noxs::wire::max_devices);
}

TEST_F(DevicePortsTest, FindsNetworkAndDisks) {
    EXPECT_FALSE(has_data_device(nullptr));
    add(DeviceType::sysctl, 3);
    add(DeviceType::console, 4);
    EXPECT_FALSE(has_data_device(&page));
    add(DeviceType::vbd, 5);
    EXPECT_TRUE(has_data_device(&page));
}

TEST(DevicePorts, NoPageNoPorts) {
    std::array<std::uint32_t, noxs::wire::max_devices> out{};
    EXPECT_EQ(device_ports(nullptr, out), 0U);
}

}  // namespace
}  // namespace guest::xen
