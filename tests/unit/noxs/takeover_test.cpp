// SPDX-License-Identifier: Apache-2.0
// A daemon that was killed between a response and its publication: its successor finds responses where it expects
// requests. Whatever is found, each of the guest's requests is answered once.
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "noxs/backends.hpp"
#include "noxs/backends/vif.hpp"
#include "tests/unit/noxs/vif_guest.hpp"

namespace noxs {
namespace {

using namespace std::chrono_literals;
using test_support::ip;
using test_support::mac;
using test_support::udp_frame;
using test_support::VifGuest;
using test_support::VifHost;
using Responses = std::vector<std::pair<unsigned, int>>;

struct Takeover : testing::TestWithParam<bool> {
    void SetUp() override {
        base::set_log_level(base::Level::error);
        guest.domain.lane().set_in_place(GetParam());
        uplink = network.plug_uplink(outside);
        host.emplace(guest, &network);
        guest.publish();
        host->vif->run(now);
    }
    void TearDown() override { base::set_log_level(base::Level::info); }
    void kill() { host.reset(); }
    void take_over() {
        host.emplace(guest, &network, Origin::adopted);
        host->vif->run(now);
        EXPECT_EQ(guest.control().header.backend_state, wire::State::connected);
        EXPECT_TRUE(host->host.stopped.empty());
    }
    void send(unsigned number) { guest.send(udp_frame(mac(50), mac(1), ip(1), ip(50), number)); }
    void deliver(std::size_t size) {
        network.forward(*uplink, {udp_frame(mac(1), mac(50), ip(50), ip(1), size), 0, 0}, now);
        network.flush();
    }
    /// As VifTx::answer writes it.
    void answer_tx(unsigned slot, std::int16_t status) {
        auto& entry = guest.tx().entries[slot];
        entry.answer = {{entry.request.id, status}, wire::tx_answered, 0};
    }

    Switch network{"default"};
    test_support::RecordingPort outside;
    Switch::Place* uplink{nullptr};
    VifGuest guest;
    std::optional<VifHost> host;
    Clock::time_point now{1h};
};
INSTANTIATE_TEST_SUITE_P(Lanes, Takeover, testing::Values(true, false),
                         [](const auto& lane) { return lane.param ? "InPlace" : "Copied"; });

TEST_P(Takeover, PacketsThatWereAnsweredAreNotSentAgain) {
    kill();
    send(1);
    send(2);
    send(3);
    answer_tx(1, wire::net_okay);  // the last ones first: so a killed daemon leaves them
    answer_tx(2, wire::net_okay);
    take_over();
    ASSERT_EQ(outside.frames.size(), 1U);
    EXPECT_EQ(outside.frames[0], udp_frame(mac(50), mac(1), ip(1), ip(50), 1));
    EXPECT_EQ(guest.tx_responses(), (Responses{{0, 0}, {1, -1}, {2, -1}}));
    send(4);
    host->vif->run(now);
    EXPECT_EQ(outside.frames.size(), 2U);
    EXPECT_EQ(guest.tx_responses(), (Responses{{3, 0}}));
}

TEST_P(Takeover, AnsweredSlotsNeverNameAPage) {
    kill();
    // The reference of the last one's grant would be its id and status; here that is a page which the guest grants.
    guest.tx_slot({VifGuest::buffer_ref, 0, 0, VifGuest::buffer_ref, 60});
    guest.tx_publish();
    answer_tx(0, wire::net_okay);
    take_over();
    EXPECT_TRUE(outside.frames.empty());
    EXPECT_EQ(guest.tx_responses(), (Responses{{VifGuest::buffer_ref, -1}}));
}

TEST_P(Takeover, HalfAnsweredPacketsAreNotSent) {
    for (const unsigned answered_from : {0U, 1U, 2U}) {
        SCOPED_TRACE(answered_from);
        const unsigned first = guest.tx().header.req_prod;
        kill();
        guest.send(udp_frame(mac(50), mac(1), ip(1), ip(50), 100), 0, 50);
        for (unsigned slot = answered_from; slot < 3; ++slot) {
            answer_tx(first + slot, wire::net_okay);
        }
        take_over();
        EXPECT_TRUE(outside.frames.empty());
        const auto got = guest.tx_responses();
        ASSERT_EQ(got.size(), 3U);
        for (unsigned slot = 0; slot < 3; ++slot) {
            EXPECT_EQ(got[slot], (std::pair<unsigned, int>(first + slot, -1)));
        }
    }
}

TEST_P(Takeover, AnsweredExtraInfosEndAPacket) {
    kill();
    guest.tx_slot({VifGuest::buffer_ref, 0, wire::tx_extra_info, 0, 60});
    guest.tx_slot({0x0101, 0, 0, 7, 0});
    guest.tx_slot({0x0001, 0, 0, 7, 0});
    guest.tx_publish();
    guest.tx().entries[2].answer = {{0, wire::net_null}, wire::tx_answered, 0};
    guest.tx().entries[1].answer = {{0, wire::net_null}, wire::tx_answered, 0};
    take_over();
    EXPECT_TRUE(outside.frames.empty());
    const auto got = guest.tx_responses();
    ASSERT_EQ(got.size(), 3U) << "each slot once";
    EXPECT_EQ(got[0], (std::pair<unsigned, int>(0, -1)));
}

TEST_P(Takeover, BuffersThatWereAnsweredAreNotWrittenAgain) {
    guest.post(8);
    deliver(30);
    ASSERT_EQ(guest.received().size(), 1U);
    kill();
    const auto answer_rx = [&](unsigned slot, std::uint16_t flags, std::int16_t status) {
        auto& entry = guest.rx().entries[slot];
        entry.response = {entry.request.id, 0, flags, status};
    };
    answer_rx(1, wire::rx_checksum_blank | wire::rx_data_validated, 72);
    answer_rx(2, wire::rx_more_data, 4096);
    answer_rx(3, 0, 1);
    answer_rx(4, 0, wire::net_error);
    take_over();
    for (unsigned i = 0; i < 6; ++i) {
        deliver(40);
    }
    const auto got = guest.received();
    ASSERT_EQ(got.size(), 6U);
    for (unsigned i = 0; i < 4; ++i) {
        EXPECT_EQ(guest.rx().entries[1 + i].response.status, wire::net_error) << i;
        EXPECT_EQ(guest.rx().entries[1 + i].response.id, 1 + i);
    }
    EXPECT_FALSE(got[4].error);
    EXPECT_FALSE(got[5].error);
    EXPECT_EQ(got[5].bytes, udp_frame(mac(1), mac(50), ip(50), ip(1), 40));
}

}  // namespace
}  // namespace noxs
