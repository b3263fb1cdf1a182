// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/rules.hpp"

#include <gtest/gtest.h>

#include <string>

#include "guest-shims/net/packet.hpp"

namespace guest {
namespace {

constexpr PacketFacts dns{0x0a000001, 53, protocol_udp};
constexpr PacketFacts web{0x0a000001, 80, protocol_tcp};
constexpr PacketFacts ping{0x0a000001, 0, protocol_icmp};

Rules rules_of(std::string_view text) {
    Rules rules;
    EXPECT_TRUE(rules.parse(text)) << text;
    return rules;
}

TEST(Rules, WithoutAnyEverythingPasses) {
    const auto rules = rules_of("report=1 other words");
    EXPECT_EQ(rules.size(), 0U);
    EXPECT_TRUE(rules.allow(dns));
    EXPECT_TRUE(rules.allow(ping));
}

TEST(Rules, TheFirstMatchDecides) {
    const auto rules = rules_of("deny=udp/53 allow=tcp/80 allow=icmp deny=any");
    EXPECT_FALSE(rules.allow(dns));
    EXPECT_TRUE(rules.allow(web));
    EXPECT_TRUE(rules.allow(ping));
    EXPECT_FALSE(rules.allow({0x0a000001, 81, protocol_tcp}));
}

TEST(Rules, RangesOfPorts) {
    const auto rules = rules_of("deny=any/50-79");
    EXPECT_FALSE(rules.allow(dns));
    EXPECT_TRUE(rules.allow(web));
    EXPECT_TRUE(rules.allow(ping));
}

TEST(Rules, Destinations) {
    EXPECT_FALSE(rules_of("deny=any@10.0.0.1").allow(web));
    EXPECT_TRUE(rules_of("deny=any@10.0.0.2").allow(web));
    EXPECT_FALSE(rules_of("deny=tcp/80@10.0.0.200/24").allow(web));
    EXPECT_FALSE(rules_of("deny=any@1.2.3.4/0").allow(web));
}

TEST(Rules, NamesTheWordThatIsWrong) {
    for (const char* text : {"deny=", "deny=sctp", "allow=tcp/0", "allow=tcp/70000", "allow=tcp/9-8", "deny=any@10.0.0",
                             "deny=any@10.0.0.1.2", "deny=any@10.0.0.256", "deny=any@10.0.0.0/33", "deny=icmp/3"}) {
        const std::string line = std::string("x allow=any ") + text;
        Rules rules;
        EXPECT_FALSE(rules.parse(line)) << text;
        EXPECT_EQ(rules.bad(), text);
    }
}

TEST(ParseMac, TakesOnlyOneForm) {
    Mac mac;
    ASSERT_TRUE(parse_mac("02:63:68:0a:Bc:ff", mac));
    EXPECT_EQ(mac[4], 0xbc);
    for (const char* text : {"", "02:63:68:0a:bc", "02-63-68-0a-bc-ff", "02:63:68:0a:bc:fg"}) {
        EXPECT_FALSE(parse_mac(text, mac)) << text;
    }
}

}  // namespace
}  // namespace guest
