// SPDX-License-Identifier: Apache-2.0
#include "noxs/switch/frame.hpp"

#include <gtest/gtest.h>

#include "tests/unit/noxs/frame_builder.hpp"

namespace noxs {
namespace {

using test_support::arp_frame;
using test_support::broadcast;
using test_support::Bytes;
using test_support::FrameBuilder;
using test_support::ip;
using test_support::ipv6_frame;
using test_support::mac;
using test_support::udp_frame;

const Station station{mac(1), ip(1), *parse_ipv6("fd00::1"), true};

bool honest(const Bytes& frame, const Station& self = station) {
    return agrees(sender_of(frame), self);
}

TEST(Frame, KnowsSpoofedIpv4Senders) {
    EXPECT_TRUE(honest(udp_frame(mac(2), mac(1), ip(1), ip(2))));
    EXPECT_FALSE(honest(udp_frame(mac(2), mac(1), ip(3), ip(2))));
    EXPECT_FALSE(honest(udp_frame(mac(2), mac(1), Ipv4{}, ip(2))));
    EXPECT_TRUE(honest(udp_frame(broadcast, mac(1), Ipv4{}, Ipv4::of(~0U), 10, 0, 67)));
    EXPECT_TRUE(honest(udp_frame(mac(2), mac(1), ip(3), ip(2)), Station{mac(1)}));
}

TEST(Frame, KnowsSpoofedArpSenders) {
    EXPECT_TRUE(honest(arp_frame(broadcast, mac(1), 1, ip(1), ip(2))));
    EXPECT_TRUE(honest(arp_frame(broadcast, mac(1), 1, Ipv4{}, ip(2))));
    EXPECT_FALSE(honest(arp_frame(broadcast, mac(1), 2, ip(9), ip(2))));
    EXPECT_FALSE(honest(arp_frame(broadcast, mac(3), 2, ip(1), ip(2))));
    auto cut = arp_frame(broadcast, mac(1), 1, ip(1), ip(2));
    cut.pop_back();
    EXPECT_FALSE(honest(cut));
}

TEST(Frame, KnowsSpoofedIpv6Senders) {
    const auto payload = FrameBuilder().fill(30).done();
    EXPECT_TRUE(honest(ipv6_frame(mac(2), mac(1), *parse_ipv6("fd00::1"), 17, payload)));
    EXPECT_TRUE(honest(ipv6_frame(mac(2), mac(1), *parse_ipv6("fe80::63:68ff:fe00:1"), 17, payload)));
    EXPECT_FALSE(honest(ipv6_frame(mac(2), mac(1), *parse_ipv6("fe80::7"), 17, payload)));
    EXPECT_TRUE(honest(ipv6_frame(mac(2), mac(1), Ipv6{}, 17, payload)));
    EXPECT_FALSE(honest(ipv6_frame(mac(2), mac(1), *parse_ipv6("fd00::2"), 17, payload)));
    const auto advertisement = [](const char* target) {
        return FrameBuilder().u8(136).u8(0).u16(0).fill(4).address(*parse_ipv6(target)).done();
    };
    const auto from = *parse_ipv6("fe80::63:68ff:fe00:1");
    EXPECT_TRUE(honest(ipv6_frame(mac(2), mac(1), from, 58, advertisement("fd00::1"))));
    EXPECT_FALSE(honest(ipv6_frame(mac(2), mac(1), from, 58, advertisement("fd00::2"))));
    EXPECT_FALSE(honest(ipv6_frame(mac(2), mac(1), from, 58, FrameBuilder().u8(134).fill(15).done())));
}

TEST(Frame, KnowsHiddenDiscovery) {
    const auto from = *parse_ipv6("fe80::63:68ff:fe00:1");
    const auto behind = [&](unsigned header, unsigned next, unsigned type, unsigned fragment = 0) {
        const auto payload = FrameBuilder().u8(next).u8(0).u16(fragment).fill(4).u8(type).fill(30).done();
        return ipv6_frame(mac(2), mac(1), from, header, payload);
    };
    for (const unsigned header : {0U, 43U, 44U, 60U}) {
        EXPECT_FALSE(honest(behind(header, 58, 134))) << header;
        EXPECT_FALSE(honest(behind(header, 58, 136))) << header;
        EXPECT_TRUE(honest(behind(header, 58, 128))) << header;
        EXPECT_TRUE(honest(behind(header, 17, 134))) << header;
    }
    EXPECT_FALSE(honest(behind(44, 58, 128, 8))) << "a later fragment";
    EXPECT_FALSE(honest(ipv6_frame(mac(2), mac(1), from, 0, FrameBuilder().fill(7).done()))) << "cut off";
    EXPECT_FALSE(honest(ipv6_frame(mac(2), mac(1), from, 0, FrameBuilder().fill(200).done()))) << "without end";
    EXPECT_FALSE(honest(ipv6_frame(mac(2), mac(1), from, 58, FrameBuilder().u8(137).fill(39).done())));
}

TEST(Frame, OfAVlanIsForbiddenAndItsChecksumFoundBehindOneTag) {
    const auto tagged = [](unsigned tags, Ipv4 from) {
        auto frame = udp_frame(mac(2), mac(1), from, ip(2));
        const auto tag = FrameBuilder().u16(0x8100).u16(5).done();
        for (unsigned i = 0; i < tags; ++i) {
            frame.insert(frame.begin() + 12, tag.begin(), tag.end());
        }
        return frame;
    };
    EXPECT_TRUE(honest(tagged(0, ip(1))));
    EXPECT_FALSE(honest(tagged(1, ip(1))));
    EXPECT_FALSE(honest(tagged(2, ip(1))));
    EXPECT_EQ(find_checksum(tagged(1, ip(1)))->start, 14 + 4 + 20);
}

TEST(Frame, OfOtherTypesIsForbidden) {
    for (const unsigned type : {0x0000U, 0x0026U, 0x8035U, 0x8863U, 0x8864U, 0x88ccU, 0x8906U, 0x88e5U, 0x9100U}) {
        EXPECT_FALSE(honest(FrameBuilder().ethernet(mac(2), mac(1), type).fill(50).done())) << type;
    }
    for (const unsigned tag : {0x8100U, 0x88a8U}) {
        EXPECT_FALSE(honest(FrameBuilder().ethernet(mac(2), mac(1), tag).u16(0).u16(0x0800).fill(50).done()))
            << "a tag that only says how urgent it is";
    }
}

TEST(Frame, OfADhcpServerIsForbidden) {
    const auto udp4 = [](unsigned from_port, unsigned header_words = 5, unsigned fragment = 0) {
        auto frame = FrameBuilder()
                         .ethernet(broadcast, mac(1), 0x0800)
                         .u8(0x40 + header_words)
                         .u8(0)
                         .u16(60)
                         .u16(1)
                         .u16(fragment)
                         .u8(64)
                         .u8(17)
                         .u16(0)
                         .address(ip(1))
                         .address(Ipv4::of(~0U))
                         .fill((header_words - 5) * 4);
        return frame.u16(from_port).u16(68).fill(20).done();
    };
    EXPECT_TRUE(honest(udp4(68)));
    EXPECT_FALSE(honest(udp4(67)));
    EXPECT_FALSE(honest(udp4(67, 15))) << "behind options";
    EXPECT_FALSE(honest(udp4(67, 5, 0x2000))) << "a first fragment";
    EXPECT_TRUE(honest(udp4(67, 5, 0x2001))) << "no port is in a later one";
    const auto own = *parse_ipv6("fe80::63:68ff:fe00:1");
    const auto udp6 = [&](unsigned from_port) {
        return ipv6_frame(mac(2), mac(1), own, 17, FrameBuilder().u16(from_port).u16(546).fill(20).done());
    };
    EXPECT_TRUE(honest(udp6(546)));
    EXPECT_FALSE(honest(udp6(547)));
    const auto behind = FrameBuilder().u8(17).u8(0).fill(6).u16(547).u16(546).fill(20).done();
    EXPECT_FALSE(honest(ipv6_frame(mac(2), mac(1), own, 60, behind))) << "behind an extension header";
}

TEST(Frame, BelievesNothingBeyondItsEnd) {
    for (const auto& whole : {udp_frame(broadcast, mac(1), ip(1), ip(2)), arp_frame(broadcast, mac(1), 1, ip(1), ip(2)),
                              ipv6_frame(mac(2), mac(1), {}, 58, FrameBuilder().u8(136).fill(30).done())}) {
        for (std::size_t size = 0; size <= whole.size(); ++size) {
            const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            static_cast<void>(honest(cut));
            static_cast<void>(arp_target(cut));
            if (const auto place = find_checksum(cut)) {
                EXPECT_LE(place->start + place->offset + 2U, cut.size());
            }
        }
    }
}

TEST(Frame, FindsAndFillsChecksums) {
    auto frame = udp_frame(mac(2), mac(1), ip(1), ip(2), 3, 0x1234);
    const auto place = find_checksum(frame);
    ASSERT_TRUE(place);
    EXPECT_EQ(place->start, 34);
    EXPECT_EQ(place->offset, 6);
    fill_checksum(frame, place->start, place->offset);
    // 7 + 9 + 11 + 0x1234 + 0x5a5a + 0x5a00, complemented
    const unsigned expected = 0xffff & ~(7U + 9 + 11 + 0x1234 + 0x5a5a + 0x5a00);
    EXPECT_EQ(std::to_integer<unsigned>(frame[40]) << 8 | std::to_integer<unsigned>(frame[41]), expected);
}

TEST(Frame, FindsNoChecksumInFragmentsAndOthers) {
    FrameBuilder fragment;
    fragment.ethernet(mac(2), mac(1), 0x0800);
    EXPECT_FALSE(find_checksum(put_ipv4(fragment, ip(1), ip(2), 17, 20, 0x2000).fill(20).done()));
    FrameBuilder icmp;
    icmp.ethernet(mac(2), mac(1), 0x0800);
    EXPECT_FALSE(find_checksum(put_ipv4(icmp, ip(1), ip(2), 1, 20).fill(20).done()));
    EXPECT_FALSE(find_checksum(arp_frame(broadcast, mac(1), 1, ip(1), ip(2))));
    EXPECT_EQ(find_checksum(ipv6_frame(mac(2), mac(1), {}, 6, FrameBuilder().fill(20).done()))->start, 54);
}

TEST(Frame, KnowsAddressesThatBridgesKeep) {
    EXPECT_TRUE(is_link_local(mac_key(*parse_mac("01:80:c2:00:00:0e"))));
    EXPECT_FALSE(is_link_local(mac_key(*parse_mac("01:80:c2:00:00:10"))));
    EXPECT_FALSE(is_link_local(mac_key(broadcast)));
}

}  // namespace
}  // namespace noxs
