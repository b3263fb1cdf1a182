// SPDX-License-Identifier: Apache-2.0
#include "noxs/switch/switch.hpp"

#include <gtest/gtest.h>

#include "tests/unit/noxs/frame_builder.hpp"

namespace noxs {
namespace {

using namespace std::chrono_literals;
using test_support::arp_frame;
using test_support::broadcast;
using test_support::Bytes;
using test_support::FrameBuilder;
using test_support::ip;
using test_support::ipv6_frame;
using test_support::mac;
using test_support::put_ipv4;
using test_support::RecordingPort;
using test_support::udp_frame;

struct SwitchTest : testing::Test {
    Switch::Place* vif(unsigned number) {
        return *network.plug_vif(ports[number], Station{mac(number), ip(number), {}, true});
    }
    void send(Switch::Place* from, const Bytes& frame) { network.forward(*from, {frame, 0, 0}, now); }
    std::size_t got(unsigned number) const { return ports[number].frames.size(); }

    Switch network{"default"};
    RecordingPort ports[100];
    Clock::time_point now{1h};
};

TEST_F(SwitchTest, PassesUnicastsToTheirVifAlone) {
    auto* one = vif(1);
    vif(2);
    vif(3);
    send(one, udp_frame(mac(2), mac(1), ip(1), ip(2)));
    EXPECT_EQ(got(2), 1U);
    EXPECT_EQ(got(1) + got(3), 0U);
    EXPECT_EQ(ports[2].flushes, 0U);
    network.flush();
    network.flush();
    EXPECT_EQ(ports[2].flushes, 1U);
    EXPECT_EQ(ports[3].flushes, 0U);
}

TEST_F(SwitchTest, GivesUnknownUnicastsToUplinksOnly) {
    auto* one = vif(1);
    vif(2);
    network.plug_uplink(ports[10]);
    network.plug_uplink(ports[11]);
    send(one, udp_frame(mac(99), mac(1), ip(1), ip(2)));
    EXPECT_EQ(got(2), 0U);
    EXPECT_EQ(got(10), 1U);
    EXPECT_EQ(got(11), 1U);
}

TEST_F(SwitchTest, LearnsWhoIsBehindAnUplink) {
    auto* one = vif(1);
    auto* uplink = network.plug_uplink(ports[10]);
    network.plug_uplink(ports[11]);
    send(uplink, udp_frame(mac(1), mac(50), ip(50), ip(1)));
    EXPECT_EQ(got(1), 1U);
    EXPECT_EQ(network.status().learned, 1U);
    send(one, udp_frame(mac(50), mac(1), ip(1), ip(50)));
    EXPECT_EQ(got(10), 1U);
    EXPECT_EQ(got(11), 0U);
    now += 301s;
    send(one, udp_frame(mac(50), mac(1), ip(1), ip(50)));
    EXPECT_EQ(got(11), 1U) << "what was learned is forgotten";
}

TEST_F(SwitchTest, FollowsAnAddressThatMoves) {
    auto* first = network.plug_uplink(ports[10]);
    auto* second = network.plug_uplink(ports[11]);
    auto* one = vif(1);
    send(first, udp_frame(mac(1), mac(50), ip(50), ip(1)));
    send(second, udp_frame(mac(1), mac(50), ip(50), ip(1)));
    send(one, udp_frame(mac(50), mac(1), ip(1), ip(50)));
    EXPECT_EQ(got(10), 0U);
    EXPECT_EQ(got(11), 1U);
    EXPECT_EQ(network.status().learned, 1U);
    network.unplug(second);
    EXPECT_EQ(network.status().learned, 0U);
}

TEST_F(SwitchTest, OnePortCannotFillTheTable) {
    auto* router = *network.plug_vif(ports[1], Station{mac(1), {}, {}, false});
    for (unsigned i = 1000; i < 1200; ++i) {
        send(router, udp_frame(mac(2), mac(i), ip(1), ip(2)));
    }
    EXPECT_EQ(network.status().learned, Switch::most_learned_of_vif);
    now += 301s;
    send(router, udp_frame(mac(2), mac(3000), ip(1), ip(2)));
    EXPECT_EQ(network.status().learned, 1U) << "those that aged made room";
}

TEST_F(SwitchTest, NobodyTakesTheAddressOfAVif) {
    auto* one = vif(1);
    auto* uplink = network.plug_uplink(ports[10]);
    auto* router = *network.plug_vif(ports[2], Station{mac(2), {}, {}, false});
    send(uplink, udp_frame(mac(2), mac(1), ip(1), ip(2)));
    send(router, udp_frame(mac(10), mac(1), ip(1), ip(2)));
    EXPECT_EQ(got(2) + got(10), 0U);
    EXPECT_EQ(uplink->dropped_spoofed(), 1U);
    EXPECT_EQ(router->dropped_spoofed(), 1U);
    send(router, udp_frame(mac(1), mac(2), ip(77), ip(1)));
    EXPECT_EQ(got(1), 1U) << "a router sends from any IP";
    EXPECT_EQ(one->dropped_spoofed(), 0U);
}

TEST_F(SwitchTest, DropsSpoofedFramesOfVifs) {
    auto* one = vif(1);
    vif(2);
    auto* free = *network.plug_vif(ports[3], Station{mac(3), {}, {}, true});
    send(one, udp_frame(mac(2), mac(2), ip(1), ip(2)));
    send(one, udp_frame(mac(2), mac(1), ip(3), ip(2)));
    send(one, arp_frame(broadcast, mac(1), 2, ip(2), ip(2)));
    EXPECT_EQ(one->dropped_spoofed(), 3U);
    send(free, udp_frame(mac(2), mac(3), ip(1), ip(2)));
    EXPECT_EQ(free->dropped_spoofed(), 1U) << "the address of another vif";
    send(free, udp_frame(mac(2), mac(3), ip(200), ip(2)));
    EXPECT_EQ(got(2), 1U);
    EXPECT_EQ(network.status().counters[3], (std::pair<std::string, std::uint64_t>("dropped_spoofed", 4)));
}

TEST_F(SwitchTest, OnlyUncheckedVifsSendWhatIsTheOwners) {
    auto* checked = vif(1);
    auto* free = *network.plug_vif(ports[2], Station{mac(2), ip(2), {}, false});
    vif(3);
    const auto frames = [](unsigned number) {
        const auto own = *parse_ipv6("fe80::63:68ff:fe00:1");
        FrameBuilder offer;
        offer.ethernet(mac(3), mac(number), 0x0800);
        put_ipv4(offer, ip(number), ip(3), 17, 24).u16(67).u16(68).fill(20);
        return std::vector{
            FrameBuilder().ethernet(mac(3), mac(number), 0x8100).u16(5).u16(0x0800).fill(50).done(),
            FrameBuilder().ethernet(mac(3), mac(number), 0x8864).fill(50).done(),
            offer.done(),
            ipv6_frame(mac(3), mac(number), own, 17, FrameBuilder().u16(547).u16(546).fill(20).done()),
            ipv6_frame(mac(3), mac(number), own, 58, FrameBuilder().u8(134).fill(15).done()),
        };
    };
    for (const auto& frame : frames(1)) {
        send(checked, frame);
    }
    EXPECT_EQ(got(3), 0U);
    EXPECT_EQ(checked->dropped_spoofed(), 5U);
    for (const auto& frame : frames(2)) {
        send(free, frame);
    }
    EXPECT_EQ(got(3), 5U) << "a router may";
    EXPECT_EQ(free->dropped_spoofed(), 0U);
}

TEST_F(SwitchTest, AsksOnlyTheVifThatASolicitationIsFor) {
    const auto address = [](unsigned number) { return *parse_ipv6("fd00::" + std::to_string(number)); };
    Switch::Place* places[4];
    for (unsigned i = 1; i < 4; ++i) {
        places[i] = *network.plug_vif(ports[i], Station{mac(i), {}, address(i), true});
    }
    network.plug_uplink(ports[10]);
    const auto solicit = [&](unsigned target) {
        const auto payload = FrameBuilder().u8(135).fill(7).address(address(target)).done();
        send(places[1], ipv6_frame(*parse_mac("33:33:ff:00:00:02"), mac(1), address(1), 58, payload));
        return std::vector{got(1), got(2), got(3), got(10)};
    };
    EXPECT_EQ(solicit(2), (std::vector<std::size_t>{0, 1, 0, 0}));
    EXPECT_EQ(solicit(1), (std::vector<std::size_t>{0, 1, 0, 1})) << "is anybody else called so?";
    EXPECT_EQ(solicit(9), (std::vector<std::size_t>{0, 2, 1, 2})) << "it may be anybody's link-local address";
    network.unplug(places[2]);
    EXPECT_EQ(solicit(2), (std::vector<std::size_t>{0, 2, 2, 3}));
}

TEST_F(SwitchTest, FloodsBroadcastsToAllOthers) {
    auto* one = vif(1);
    vif(2);
    vif(3);
    network.plug_uplink(ports[10]);
    send(one, udp_frame(broadcast, mac(1), ip(1), Ipv4::of(~0U)));
    EXPECT_EQ(got(1), 0U);
    EXPECT_EQ(got(2) + got(3) + got(10), 3U);
}

TEST_F(SwitchTest, BoundsFloodsOfOnePort) {
    auto* one = vif(1);
    auto* two = vif(2);
    vif(3);
    const auto frame = udp_frame(broadcast, mac(1), ip(1), Ipv4::of(~0U));
    for (unsigned i = 0; i < 1000; ++i) {
        send(one, frame);
    }
    EXPECT_EQ(got(3), Switch::flood_burst);
    EXPECT_EQ(one->dropped_rate(), 1000 - Switch::flood_burst);
    send(two, udp_frame(broadcast, mac(2), ip(2), Ipv4::of(~0U)));
    EXPECT_EQ(got(3), Switch::flood_burst + 1) << "others have their own";
    now += 1s;
    for (unsigned i = 0; i < 1000; ++i) {
        send(one, frame);
        now += 1ms;
    }
    EXPECT_GE(got(3), Switch::flood_burst + 1000);
    send(one, udp_frame(mac(3), mac(1), ip(1), ip(3)));
    EXPECT_GE(got(3), Switch::flood_burst + 1001) << "unicasts are not floods";
}

TEST_F(SwitchTest, AsksOnlyThoseWhoCouldAnswerArp) {
    auto* one = vif(1);
    vif(2);
    vif(3);
    network.plug_uplink(ports[10]);
    static_cast<void>(network.plug_vif(ports[4], Station{mac(4), {}, {}, true}));
    static_cast<void>(network.plug_vif(ports[5], Station{mac(5), ip(5), {}, false}));
    const auto all = [&] { return std::vector{got(1), got(2), got(3), got(4), got(5), got(10)}; };
    send(one, arp_frame(broadcast, mac(1), 1, ip(1), ip(2)));
    EXPECT_EQ(all(), (std::vector<std::size_t>{0, 1, 0, 0, 0, 0})) << "a vif's address";
    send(one, arp_frame(broadcast, mac(1), 1, ip(1), ip(200)));
    EXPECT_EQ(all(), (std::vector<std::size_t>{0, 1, 0, 1, 1, 1})) << "an unknown one";
    send(one, arp_frame(broadcast, mac(1), 1, ip(1), ip(1)));
    EXPECT_EQ(all(), (std::vector<std::size_t>{0, 1, 0, 1, 1, 2})) << "an announcement";
    send(one, arp_frame(broadcast, mac(1), 2, ip(1), ip(1)));
    EXPECT_EQ(all(), (std::vector<std::size_t>{0, 2, 1, 2, 2, 3})) << "an answer to all";
}

TEST_F(SwitchTest, NamesDoubleAddresses) {
    auto* one = vif(1);
    const auto same_mac = network.plug_vif(ports[2], Station{mac(1), ip(2), {}, true});
    ASSERT_FALSE(same_mac);
    EXPECT_EQ(same_mac.error().message, "another vif of network 'default' has the MAC address 02:63:68:00:00:01");
    const auto same_ip = network.plug_vif(ports[2], Station{mac(2), ip(1), {}, true});
    ASSERT_FALSE(same_ip);
    EXPECT_EQ(same_ip.error().message, "another vif of network 'default' has the address 10.0.0.1");
    EXPECT_EQ(network.status().ports, 1U);
    network.unplug(one);
    EXPECT_FALSE(network.has_vifs());
    EXPECT_TRUE(network.plug_vif(ports[2], Station{mac(1), ip(1), {}, true}));
}

TEST_F(SwitchTest, DropsWhatIsNoFrame) {
    auto* uplink = network.plug_uplink(ports[10]);
    network.plug_uplink(ports[11]);
    send(uplink, Bytes(13));
    send(uplink, Bytes());
    send(uplink, udp_frame(*parse_mac("01:80:c2:00:00:00"), mac(1), ip(1), ip(2)));
    const auto frame = udp_frame(broadcast, mac(1), ip(1), ip(2));
    network.forward(*uplink, {frame, 60, 6}, now);
    EXPECT_EQ(got(11), 0U);
    EXPECT_EQ(network.status().counters.back().second, 4U);
}

TEST(TokenBucket, KeepsItsPace) {
    Clock::time_point now{1h};
    TokenBucket bucket(1000, 10);
    for (unsigned i = 0; i < 10; ++i) {
        EXPECT_TRUE(bucket.try_take(now, 1));
    }
    EXPECT_FALSE(bucket.try_take(now, 1));
    EXPECT_FALSE(bucket.ready(bucket.ready_at() - 1ns));
    EXPECT_TRUE(bucket.ready(bucket.ready_at()));
    bucket.take(now, 5000);
    EXPECT_FALSE(bucket.ready(now + 5s));
    EXPECT_TRUE(bucket.ready(now + 5s + 2ms));
}

}  // namespace
}  // namespace noxs
