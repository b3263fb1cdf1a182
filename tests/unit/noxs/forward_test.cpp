// SPDX-License-Identifier: Apache-2.0
#include "noxs/forward/forwarder.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>

#include "tests/support/temp_dir.hpp"

namespace {

using noxs::Frame;
using noxs::Ipv4;
using noxs::PublishedPort;

constexpr Ipv4 guest{{10, 9, 0, 2}}, ours{{10, 9, 0, 254}}, loopback{{127, 0, 0, 1}};
constexpr noxs::Mac our_mac{{0x52, 0x55, 10, 9, 0, 254}};
constexpr noxs::Mac guest_mac{{2, 0x63, 0x68, 0, 0, 2}};
constexpr std::uint16_t guest_port = 80;
constexpr int patience_ms = 20'000;
constexpr std::size_t type_at = 12, arp_operation_at = 20, arp_target_at = 38, source_at = 26, flags_at = 47;
constexpr std::byte syn{2}, syn_ack{0x12};

using Bytes = std::vector<std::byte>;

unsigned word_at(const Bytes& bytes, std::size_t at) {
    return std::to_integer<unsigned>(bytes[at]) << 8 | std::to_integer<unsigned>(bytes[at + 1]);
}

template <std::size_t size>
void put(Bytes& bytes, std::size_t at, const std::array<std::uint8_t, size>& value) {
    std::memcpy(bytes.data() + at, value.data(), size);
}

Ipv4 address_at(const Bytes& bytes, std::size_t at) {
    Ipv4 address;
    std::memcpy(address.bytes.data(), bytes.data() + at, address.bytes.size());
    return address;
}

bool readable(int fd) {
    pollfd ready{fd, POLLIN, 0};
    return ::poll(&ready, 1, patience_ms) == 1;
}

/// The next frame of chaos-forward; empty: none came.
Bytes next_frame(noxs::DataPlane::Uplink& uplink) {
    Bytes frame;
    while (frame.empty() && readable(uplink.fd())) {
        if (uplink.receive(1, [&](const Frame& got) { frame.assign(got.bytes.begin(), got.bytes.end()); }) == 0) {
            break;
        }
    }
    return frame;
}

/// The answer of the guest to an ARP request.
Bytes arp_reply(const Bytes& request) {
    Bytes reply = request;
    std::copy_n(request.begin() + 6, 6, reply.begin());
    put(reply, 6, guest_mac.bytes);
    reply[arp_operation_at + 1] = std::byte{2};
    std::copy_n(request.begin() + 22, 10, reply.begin() + 32);
    put(reply, 22, guest_mac.bytes);
    put(reply, 28, guest.bytes);
    return reply;
}

noxs::Result<base::Fd> connect_to(std::uint16_t port) {
    base::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        return base::fail_errno(errno, "connect");
    }
    return client;
}

class ForwardTest : public testing::Test {
 protected:
    noxs::ForwarderSettings settings() const {
        return {dir_.file("forward.sock"), dir_.file("forward.log"), {ours, 24}, CHAOS_BINARY_DIR "/bin/chaos-forward"};
    }
    void SetUp() override {
        auto started = noxs::Forwarder::start(settings());
        ASSERT_TRUE(started) << started.error().message;
        forwarder_.emplace(*std::move(started));
    }
    void TearDown() override {
        if (forwarder_) {
            forwarder_->stop();
        }
    }
    std::uint16_t publish() {
        const auto port = forwarder_->add({loopback, 0, guest, guest_port});
        EXPECT_TRUE(port) << port.error().message;
        return port.value_or(0);
    }

    test_support::TempDir dir_;
    std::optional<noxs::Forwarder> forwarder_;
};

TEST_F(ForwardTest, AConnectionBecomesAnArpRequestAndASyn) {
    auto uplink = forwarder_->uplink();
    ASSERT_TRUE(uplink) << uplink.error().message;
    const auto client = connect_to(publish());
    ASSERT_TRUE(client);

    const Bytes request = next_frame(**uplink);
    ASSERT_GE(request.size(), 42U);
    EXPECT_EQ(word_at(request, type_at), 0x0806U);
    EXPECT_EQ(address_at(request, arp_target_at), guest);
    EXPECT_TRUE((*uplink)->deliver({arp_reply(request)}));

    const Bytes packet = next_frame(**uplink);
    ASSERT_GE(packet.size(), 54U);
    EXPECT_EQ(std::memcmp(packet.data(), guest_mac.bytes.data(), 6), 0);
    EXPECT_EQ(address_at(packet, source_at), ours);  // not the client's: the guest could not answer that
    EXPECT_EQ(address_at(packet, source_at + 4), guest);
    EXPECT_EQ(word_at(packet, 36), guest_port);
    EXPECT_EQ(packet[flags_at], syn);
}

TEST_F(ForwardTest, FillsInAChecksumThatIsStillOpen) {
    auto uplink = forwarder_->uplink();
    ASSERT_TRUE(uplink);
    const auto client = connect_to(publish());
    ASSERT_TRUE(client);
    ASSERT_TRUE((*uplink)->deliver({arp_reply(next_frame(**uplink))}));
    const Bytes packet = next_frame(**uplink);
    ASSERT_GE(packet.size(), 54U);

    // The guest's SYN|ACK, with no more than the pseudo-header's sum in its checksum.
    Bytes answer(54);
    std::copy_n(packet.begin() + 6, 6, answer.begin());
    put(answer, 6, guest_mac.bytes);
    put(answer, 12, std::array<std::uint8_t, 12>{8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6});
    std::copy_n(packet.begin() + 30, 4, answer.begin() + 26);
    std::copy_n(packet.begin() + 26, 4, answer.begin() + 30);
    std::copy_n(packet.begin() + 36, 2, answer.begin() + 34);
    std::copy_n(packet.begin() + 34, 2, answer.begin() + 36);
    std::uint32_t number = 0;
    std::memcpy(&number, packet.data() + 38, 4);
    number = htonl(ntohl(number) + 1);
    std::memcpy(answer.data() + 42, &number, 4);
    answer[46] = std::byte{0x50};
    answer[flags_at] = syn_ack;
    answer[48] = std::byte{0xff};
    const auto sum_of = [&](std::size_t from, std::size_t to, unsigned sum) {
        for (std::size_t at = from; at < to; at += 2) {
            sum += word_at(answer, at);
        }
        while (sum >> 16 != 0) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return sum;
    };
    const auto set_word = [&](std::size_t at, unsigned word) {
        answer[at] = static_cast<std::byte>(word >> 8);
        answer[at + 1] = static_cast<std::byte>(word & 0xff);
    };
    set_word(24, ~sum_of(14, 34, 0) & 0xffff);
    set_word(50, sum_of(26, 34, 6 + 20));
    ASSERT_TRUE((*uplink)->deliver({answer, 34, 16}));

    const Bytes established = next_frame(**uplink);
    ASSERT_GE(established.size(), 54U);
    EXPECT_EQ(established[flags_at], std::byte{0x10});  // ACK: it believed the checksum
}

TEST_F(ForwardTest, RefusesAPortInUse) {
    const std::uint16_t port = publish();
    const auto again = forwarder_->add({loopback, port, guest, 81});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, base::Code::bad_state);
    EXPECT_NE(again.error().message.find(std::to_string(port)), std::string::npos);
}

TEST_F(ForwardTest, RefusesAnAddressOfAnotherHost) {
    const auto refused = forwarder_->add({{{192, 0, 2, 1}}, 0, guest, 80});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Code::invalid_argument);
}

TEST_F(ForwardTest, ARemovedPortRefusesConnections) {
    const std::uint16_t port = publish();
    publish();
    EXPECT_TRUE(connect_to(port));
    EXPECT_TRUE(forwarder_->remove(loopback, port));
    EXPECT_FALSE(connect_to(port));
    EXPECT_FALSE(forwarder_->remove(loopback, port));
}

TEST_F(ForwardTest, OutlivesItsDaemonWithItsPorts) {
    const std::uint16_t port = publish();
    forwarder_.reset();
    auto next = noxs::Forwarder::connect(settings());
    ASSERT_TRUE(next) << next.error().message;
    forwarder_.emplace(*std::move(next));
    const auto ports = forwarder_->list();
    ASSERT_TRUE(ports);
    EXPECT_EQ(*ports, (std::vector<PublishedPort>{{loopback, port, guest, guest_port}}));
}

TEST_F(ForwardTest, EndsWithoutPortsAndWithoutADaemon) {
    const std::uint16_t port = publish();
    auto uplink = forwarder_->uplink();
    ASSERT_TRUE(uplink);
    ASSERT_TRUE(forwarder_->remove(loopback, port));
    forwarder_.reset();
    ASSERT_TRUE(readable((*uplink)->fd()));
    (*uplink)->receive(1, [](const Frame&) {});
    EXPECT_FALSE(noxs::Forwarder::connect(settings()));
    // It is gone for good: the plane must not be woken for ever.
    pollfd quiet{(*uplink)->fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&quiet, 1, 0), 0);
    Bytes frame(60);
    put(frame, 0, our_mac.bytes);
    EXPECT_FALSE((*uplink)->deliver({frame}));
}

TEST_F(ForwardTest, OneOfAnotherNetworkIsReplaced) {
    publish();
    auto other = settings();
    other.address = {{{10, 8, 0, 254}}, 24};
    const auto refused = noxs::Forwarder::connect(other);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Code::version_mismatch);
    auto replaced = noxs::Forwarder::start(other);
    ASSERT_TRUE(replaced) << replaced.error().message;
    EXPECT_TRUE(replaced->list()->empty());
    replaced->stop();
    forwarder_.reset();
}

TEST_F(ForwardTest, TakesOnlyFramesThatAreForIt) {
    auto uplink = forwarder_->uplink();
    ASSERT_TRUE(uplink);
    const auto sent = [&](const Bytes& frame) {
        const auto before = (*uplink)->counters()[0].second;
        (*uplink)->deliver({frame});
        return (*uplink)->counters()[0].second != before;
    };
    Bytes frame(60);
    put(frame, 0, our_mac.bytes);
    EXPECT_TRUE(sent(frame));
    put(frame, 0, guest_mac.bytes);
    EXPECT_FALSE(sent(frame));
    put(frame, 0, std::array<std::uint8_t, 6>{0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
    EXPECT_FALSE(sent(frame));
    put(frame, type_at, std::array<std::uint8_t, 2>{8, 6});
    put(frame, arp_target_at, guest.bytes);
    EXPECT_FALSE(sent(frame));
    put(frame, arp_target_at, ours.bytes);
    EXPECT_TRUE(sent(frame));
    EXPECT_FALSE(sent(Bytes(13)));
}

TEST_F(ForwardTest, SurvivesFramesThatMakeNoSense) {
    auto uplink = forwarder_->uplink();
    ASSERT_TRUE(uplink);
    const std::uint16_t port = publish();
    Bytes frame(2048);
    unsigned seed = 1;
    for (unsigned round = 0; round < 5000; ++round) {
        for (std::byte& byte : frame) {
            seed = seed * 1103515245 + 12345;
            byte = static_cast<std::byte>(seed >> 16);
        }
        put(frame, type_at, std::array<std::uint8_t, 3>{8, static_cast<std::uint8_t>(round % 2 * 6), 0x45});
        put(frame, round % 2 == 0 ? 26 : 28, guest.bytes);
        put(frame, 30, ours.bytes);
        put(frame, 0, our_mac.bytes);
        const std::size_t size = 14 + seed % 2000;
        (*uplink)->deliver(
            {std::span(frame).first(size), static_cast<std::uint16_t>(round % 3 == 0 ? seed >> 20 : 0), 2});
    }
    Bytes huge(70'000);
    put(huge, 0, our_mac.bytes);
    EXPECT_FALSE((*uplink)->deliver({huge}));
    EXPECT_TRUE(connect_to(port));
    EXPECT_TRUE(forwarder_->list());
}

}  // namespace
