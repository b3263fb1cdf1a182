// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/forwarder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "fake_vif.hpp"
#include "guest-shims/net/checksum.hpp"
#include "guest-shims/net/packet.hpp"

namespace guest {
namespace {

namespace wire = noxs::wire;
using testing::IsEmpty;
using testing::SizeIs;

/// A router with 10.107.0.9/16 on one side and 10.9.0.1/24 on the other; its neighbours are 10.107.0.1 and 10.9.0.2.
class ForwarderTest : public testing::Test {
 protected:
    static constexpr std::uint32_t left_host = 0x0a6b0001;
    static constexpr std::uint32_t right_host = 0x0a090002;
    static constexpr Mac left_mac = {2, 0, 0, 0, 0, 1};
    static constexpr Mac right_mac = {2, 0, 0, 0, 0, 2};

    ForwarderTest() {
        right.slot = 3;
        right.control.page.header.id = 1;
        right.control.page.mac[5] = 1;
        const std::uint8_t address[] = {10, 9, 0, 1};
        std::memcpy(right.control.page.ipv4, address, sizeof address);
        right.control.page.ipv4_prefix = 24;
        left.attach();
        right.attach();
        system = std::make_unique<System>(guest.platform, left.boot(), left.begin());
    }

    void start(std::string_view cmdline = "", Vif::Pools pools = {.rx = 4, .tx = 4}) {
        ASSERT_TRUE(rules.parse(cmdline));
        forwarder = std::make_unique<Forwarder>(*system, rules, pools);
    }
    void work() {
        std::optional<Nanoseconds> timeout;
        forwarder->work(timeout);
        EXPECT_FALSE(timeout);
    }

    std::string packet(std::uint32_t to, std::uint8_t protocol = protocol_udp, std::uint16_t port = 9,
                       std::uint8_t ttl = 64) {
        std::string frame(60, '\0');
        auto* bytes = reinterpret_cast<std::byte*>(frame.data());
        put_ethernet(bytes, left.control.page.mac, left_mac, type_ipv4);
        std::byte* ip = bytes + ethernet_size;
        ip[0] = std::byte{0x45};
        store16(ip + 2, 46);
        ip[8] = std::byte{ttl};
        ip[9] = std::byte{protocol};
        store32(ip + 12, left_host);
        store32(ip + 16, to);
        store16(ip + 10, static_cast<std::uint16_t>(~ones_sum({ip, ipv4_size})));
        store16(ip + ipv4_size + 2, port);
        return frame;
    }
    std::string arp(Arp::Operation operation, const FakeVif& vif, const Mac& mac, std::uint32_t sender) {
        Arp body{operation, {}, sender, address_of(vif.control.page.ipv4)};
        std::memcpy(body.sender_mac, mac, sizeof mac);
        std::string frame(Arp::frame_size, '\0');
        body.write(reinterpret_cast<std::byte*>(frame.data()), vif.control.page.mac);
        return frame;
    }
    void answer_arp() {
        right.deliver(arp(Arp::Operation::reply, right, right_mac, right_host));
        work();
    }
    static const std::byte* ip_of(const FakeVif::Sent& frame) {
        return reinterpret_cast<const std::byte*>(frame.bytes.data()) + ethernet_size;
    }

    FakeGuest guest;
    FakeVif left{guest};
    FakeVif right{guest};
    Rules rules;
    std::unique_ptr<System> system;
    std::unique_ptr<Forwarder> forwarder;
};

TEST_F(ForwarderTest, AsksAndThenForwardsWhatWaited) {
    start();
    ASSERT_TRUE(forwarder->up());
    left.deliver(packet(right_host));
    work();
    const auto asked = right.take_sent();
    ASSERT_THAT(asked, SizeIs(1));
    const auto question =
        Arp::parse({reinterpret_cast<const std::byte*>(asked[0].bytes.data()), asked[0].bytes.size()});
    ASSERT_TRUE(question);
    EXPECT_EQ(question->operation, Arp::Operation::request);
    EXPECT_EQ(question->target, right_host);
    answer_arp();
    const auto sent = right.take_sent();
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(std::memcmp(sent[0].bytes.data(), right_mac, 6), 0);
    EXPECT_EQ(std::memcmp(sent[0].bytes.data() + 6, right.control.page.mac, 6), 0);
    EXPECT_EQ(ip_of(sent[0])[8], std::byte{63});
    EXPECT_EQ(ones_sum({ip_of(sent[0]), ipv4_size}), 0xffff);
    EXPECT_EQ(forwarder->counters().forwarded, 1U);
}

TEST_F(ForwarderTest, EveryTtlKeepsTheChecksumRight) {
    start();
    answer_arp();
    for (unsigned ttl = 2; ttl < 256; ++ttl) {
        left.deliver(packet(right_host, protocol_udp, 9, static_cast<std::uint8_t>(ttl)));
        work();
        const auto sent = right.take_sent();
        ASSERT_THAT(sent, SizeIs(1));
        ASSERT_EQ(ones_sum({ip_of(sent[0]), ipv4_size}), 0xffff) << ttl;
    }
}

TEST_F(ForwarderTest, DropsWhatHasToBeDropped) {
    start("deny=udp/53");
    answer_arp();
    left.deliver(packet(right_host, protocol_udp, 53));
    left.deliver(packet(right_host, protocol_udp, 9, 1));  // its time is over
    left.deliver(packet(0x08080808));                      // no side has it
    std::string wrong = packet(right_host);
    wrong[ethernet_size + 10] ^= 1;
    left.deliver(wrong);
    work();
    left.deliver("short");
    std::string cut = packet(right_host);
    cut[ethernet_size + 3] = 100;  // longer than the frame
    left.deliver(cut);
    std::string other = packet(right_host);
    other[5] ^= 1;  // for another station
    left.deliver(other);
    work();
    EXPECT_THAT(right.take_sent(), IsEmpty());
    const auto& counters = forwarder->counters();
    EXPECT_EQ(counters.denied, 1U);
    EXPECT_EQ(counters.bad, 4U);
    EXPECT_EQ(counters.unreachable, 1U);
    EXPECT_EQ(counters.forwarded, 0U);
}

TEST_F(ForwarderTest, KeepsAChecksumBlank) {
    start();
    answer_arp();
    left.deliver(packet(right_host), wire::rx_checksum_blank | wire::rx_data_validated);
    work();
    const auto sent = right.take_sent();
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].flags, wire::tx_checksum_blank | wire::tx_data_validated);
}

TEST_F(ForwarderTest, AnswersArpAndPings) {
    start();
    left.deliver(arp(Arp::Operation::request, left, left_mac, left_host));
    left.deliver(arp(Arp::Operation::request, right, left_mac, left_host));  // not its address on this side
    auto ping = packet(address_of(left.control.page.ipv4), protocol_icmp, 0);
    ping[ethernet_size + ipv4_size] = 8;
    left.deliver(ping);
    work();
    const auto sent = left.take_sent();
    ASSERT_THAT(sent, SizeIs(2));
    const auto answer = Arp::parse({reinterpret_cast<const std::byte*>(sent[0].bytes.data()), sent[0].bytes.size()});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->operation, Arp::Operation::reply);
    EXPECT_EQ(answer->target, left_host);
    EXPECT_EQ(load32(ip_of(sent[1]) + 16), left_host);
    EXPECT_EQ(ip_of(sent[1])[ipv4_size], std::byte{0});
}

TEST_F(ForwarderTest, GivesUpThePacketsThatWaitedLongest) {
    start("", {.rx = 40, .tx = 4});
    for (std::uint32_t i = 0; i < 40; ++i) {
        ASSERT_TRUE(left.deliver(packet(right_host + i)));
        work();
        right.take_sent();
    }
    EXPECT_EQ(forwarder->counters().unreachable, 8U);
    answer_arp();
    EXPECT_THAT(right.take_sent(), IsEmpty());
}

}  // namespace
}  // namespace guest
