// SPDX-License-Identifier: Apache-2.0
#include "noxs/net_address.hpp"

#include <gtest/gtest.h>

namespace noxs {
namespace {

TEST(NetAddress, ReadsAndPrintsMacs) {
    const auto mac = parse_mac("02:63:68:0a:fF:00");
    ASSERT_TRUE(mac);
    EXPECT_EQ(text_of(*mac), "02:63:68:0a:ff:00");
    EXPECT_FALSE(mac->multicast());
    EXPECT_TRUE(parse_mac("01:00:5e:00:00:01")->multicast());
    for (const auto* wrong : {"", "02:63:68:0a:ff", "02:63:68:0a:ff:0", "02-63-68-0a-ff-00", "02:63:68:0a:ff:0g",
                              "02:63:68:0a:ff:001", "+2:63:68:0a:ff:00", "026368:0a:ff:00:11"}) {
        EXPECT_FALSE(parse_mac(wrong)) << wrong;
    }
}

TEST(NetAddress, ReadsAndPrintsIpv4) {
    const auto address = parse_ipv4("10.107.0.1");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->number(), 0x0a6b0001U);
    EXPECT_EQ(Ipv4::of(0x0a6b0001), *address);
    EXPECT_EQ(text_of(*address), "10.107.0.1");
    EXPECT_TRUE(*address);
    EXPECT_FALSE(Ipv4{});
    for (const auto* wrong : {"", "10.107.0", "10.107.0.256", "10.107.0.1.2", " 10.107.0.1", "10.107.0.1 "}) {
        EXPECT_FALSE(parse_ipv4(wrong)) << wrong;
    }
    EXPECT_FALSE(parse_ipv4(std::string_view("10.0.0.1\0", 9)));
}

TEST(NetAddress, ReadsNetworks) {
    const auto net = parse_ipv4_net("10.1.2.3/20");
    ASSERT_TRUE(net);
    EXPECT_EQ(net->mask(), 0xfffff000U);
    EXPECT_EQ(text_of(*net), "10.1.2.3/20");
    EXPECT_TRUE(net->holds(*parse_ipv4("10.1.15.255")));
    EXPECT_FALSE(net->holds(*parse_ipv4("10.1.16.0")));
    EXPECT_EQ(parse_ipv4_net("10.1.2.3")->prefix, 32);
    EXPECT_EQ(parse_ipv4_net("10.1.2.3", 24)->prefix, 24);
    EXPECT_EQ(parse_ipv4_net("10.1.2.3/0")->mask(), 0U);
    for (const auto* wrong : {"10.1.2.3/", "10.1.2.3/33", "10.1.2.3/-1", "10.1.2.3/8x", "/8"}) {
        EXPECT_FALSE(parse_ipv4_net(wrong)) << wrong;
    }
}

TEST(NetAddress, ReadsAndPrintsIpv6) {
    const auto address = parse_ipv6("fd00:0:0::1");
    ASSERT_TRUE(address);
    EXPECT_EQ(text_of(*address), "fd00::1");
    EXPECT_FALSE(parse_ipv6("fd00::1::2"));
    EXPECT_FALSE(parse_ipv6("10.0.0.1"));
}

}  // namespace
}  // namespace noxs
