// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/vif.hpp"

#include <gtest/gtest.h>

#include "base/log.hpp"
#include "noxs/backends/vif_control.hpp"
#include "tests/unit/noxs/vif_guest.hpp"

namespace noxs {
namespace {

using namespace std::chrono_literals;
using test_support::Bytes;
using test_support::FakeDomain;
using test_support::ip;
using test_support::mac;
using test_support::RecordingPort;
using test_support::udp_frame;
using test_support::VifGuest;
using test_support::VifHost;
using wire::State;
using Responses = std::vector<std::pair<unsigned, int>>;

const Mac peer = mac(50);

/// With pages in place, and without.
struct Vif : testing::TestWithParam<bool> {
    void SetUp() override {
        base::set_log_level(base::Level::error);
        guest.domain.lane().set_in_place(GetParam());
        uplink = network.plug_uplink(outside);
    }
    void TearDown() override { base::set_log_level(base::Level::info); }
    void start(std::uint64_t features = vif_features) {
        host.emplace(guest, &network);
        guest.publish(features);
        run();
    }
    Turn run() { return host->vif->run(now); }
    Bytes frame(std::size_t size = 10, unsigned checksum = 0) {
        return udp_frame(peer, mac(1), ip(1), ip(50), size, checksum);
    }
    Bytes frame_in(std::size_t size = 10, unsigned checksum = 0) {
        return udp_frame(mac(1), peer, ip(50), ip(1), size, checksum);
    }
    void deliver(const Bytes& bytes, std::uint16_t start = 0, std::uint16_t offset = 0) {
        network.forward(*uplink, {bytes, start, offset}, now);
        network.flush();
    }
    void expect_stopped(const std::string& why) {
        ASSERT_EQ(host->host.stopped.size(), 1U);
        EXPECT_EQ(host->host.stopped[0], why);
        EXPECT_EQ(host->vif->status().stopped, why);
        EXPECT_EQ(guest.control().header.backend_state, State::closing);
        EXPECT_EQ(guest.domain.lane().mapped(), 1U) << "its rings are let go of, the control page is not";
        run();
        EXPECT_EQ(host->host.stopped.size(), 1U);
    }

    Switch network{"default"};
    RecordingPort outside;
    Switch::Place* uplink{nullptr};
    VifGuest guest;
    std::optional<VifHost> host;
    Clock::time_point now{1h};
};
INSTANTIATE_TEST_SUITE_P(Lanes, Vif, testing::Values(true, false),
                         [](const auto& lane) { return lane.param ? "InPlace" : "Copied"; });

TEST_P(Vif, IsDescribedBeforeItIsServed) {
    auto& page = guest.control();
    EXPECT_EQ(page.header.backend_state, State::init_wait);
    EXPECT_EQ(page.header.type, wire::DeviceType::vif);
    EXPECT_EQ(page.header.id, 3U);
    EXPECT_EQ(page.header.backend_features, vif_features);
    EXPECT_EQ(page.mac[5], 1);
    EXPECT_EQ(page.mtu, 1500);
    EXPECT_EQ(page.ipv4[0], 10);
    EXPECT_EQ(page.ipv4_prefix, 24);
    EXPECT_EQ(page.max_queues, 1);
    EXPECT_EQ(page.queue[0].tx_port, 64U);
    EXPECT_EQ(page.queue[0].rx_port, 64U);
}

TEST_P(Vif, Connects) {
    start();
    EXPECT_EQ(guest.control().header.backend_state, State::connected);
    EXPECT_EQ(guest.domain.lane().notified(), 1U);
    EXPECT_EQ(host->vif->status().frontend, State::connected);
}

TEST_P(Vif, SendsPackets) {
    start();
    guest.send(frame());
    guest.send(frame(100));
    EXPECT_TRUE(run().moved);
    ASSERT_EQ(outside.frames.size(), 2U);
    EXPECT_EQ(outside.frames[0], frame());
    EXPECT_EQ(outside.frames[1], frame(100));
    EXPECT_EQ(outside.flushes, 1U);
    EXPECT_EQ(guest.tx_responses(), (Responses{{0, 0}, {1, 0}}));
    EXPECT_EQ(host->count("tx_packets"), 2U);
    EXPECT_EQ(host->count("tx_bytes"), frame().size() + frame(100).size());
    EXPECT_FALSE(run().moved);
}

TEST_P(Vif, SendsPacketsOfSeveralSlots) {
    start();
    guest.send(frame(1400), 0, 100, 3000);
    run();
    ASSERT_EQ(outside.frames.size(), 1U);
    EXPECT_EQ(outside.frames[0], frame(1400));
    EXPECT_EQ(guest.tx_responses().size(), 15U);
}

TEST_P(Vif, FindsTheChecksumThatIsToBeFilledIn) {
    VifGuest other(2);
    other.domain.lane().set_in_place(GetParam());
    VifHost second(other, &network);
    other.publish(static_cast<std::uint64_t>(wire::VifFeature::rx_checksum));
    second.vif->run(now);
    other.post(4);
    start();
    const auto blank = udp_frame(mac(2), mac(1), ip(1), ip(2), 3, 0x1234);
    guest.send(blank, wire::tx_checksum_blank);
    run();
    auto got = other.received();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].bytes, blank);
    EXPECT_EQ(got[0].flags, wire::rx_checksum_blank | wire::rx_data_validated);
    // No TCP or UDP.
    guest.send(test_support::arp_frame(peer, mac(1), 2, ip(1), ip(50)), wire::tx_checksum_blank);
    run();
    EXPECT_EQ(guest.tx_responses(), (Responses{{0, 0}, {1, -1}}));
}

TEST_P(Vif, FillsChecksumsForThoseWhoDoNotTakeBlankOnes) {
    start(0);
    guest.post(1);
    auto expected = frame_in(3, 0x1234);
    deliver(expected, 34, 6);
    fill_checksum(expected, 34, 6);
    const auto got = guest.received();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].bytes, expected);
    EXPECT_EQ(got[0].flags, 0);
}

TEST_P(Vif, ReceivesPackets) {
    start();
    guest.post(3);
    network.forward(*uplink, {frame_in(20), 0, 0}, now);
    network.forward(*uplink, {frame_in(30), 0, 0}, now);
    EXPECT_TRUE(guest.received().empty()) << "nothing is told before the end of a batch";
    network.flush();
    const auto got = guest.received();
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0].bytes, frame_in(20));
    EXPECT_EQ(got[1].bytes, frame_in(30));
    EXPECT_EQ(host->count("rx_packets"), 2U);
    EXPECT_EQ(host->count("rx_bytes"), frame_in(20).size() + frame_in(30).size());
}

TEST_P(Vif, DropsWhatHasNoBuffer) {
    start();
    deliver(frame_in());
    guest.post(1);
    deliver(frame_in(11));
    deliver(frame_in(12));
    const auto got = guest.received();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].bytes, frame_in(11));
    EXPECT_EQ(host->count("dropped_no_buffer"), 2U);
}

TEST_P(Vif, ReceivesLargePacketsInSeveralSlots) {
    start();
    guest.post(3);
    deliver(frame_in(9000));
    const auto got = guest.received();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].slots, 3U);
    EXPECT_EQ(got[0].bytes, frame_in(9000));
    guest.post(2);
    deliver(frame_in(9000));
    EXPECT_TRUE(guest.received().empty()) << "not half a packet";
}

TEST_P(Vif, DropsLargePacketsForThoseWithoutScatterGather) {
    start(0);
    guest.post(3);
    deliver(frame_in(9000));
    EXPECT_TRUE(guest.received().empty());
    EXPECT_EQ(host->count("errors"), 1U);
}

TEST_P(Vif, ReceivesMoreThanIsCopiedAtOnce) {
    guest.settings.mtu = 9000;
    start();
    guest.post(240);
    for (unsigned i = 0; i < 80; ++i) {
        network.forward(*uplink, {frame_in(8000), 0, 0}, now);
    }
    network.flush();
    const auto got = guest.received();
    ASSERT_EQ(got.size(), 80U);
    EXPECT_TRUE(std::ranges::all_of(got, [&](const auto& one) { return one.bytes == frame_in(8000); }));
}

TEST_P(Vif, RingsOnlyWhenItIsAsked) {
    start();
    const unsigned before = guest.domain.lane().notified();
    guest.post(8);
    guest.rx().header.rsp_event = 3;
    guest.tx().header.rsp_event = 100;
    deliver(frame_in());
    deliver(frame_in());
    guest.send(frame());
    run();
    EXPECT_EQ(guest.domain.lane().notified(), before);
    deliver(frame_in());
    EXPECT_EQ(guest.domain.lane().notified(), before + 1);
    guest.tx().header.rsp_event = 2;
    guest.send(frame());
    run();
    EXPECT_EQ(guest.domain.lane().notified(), before + 2);
}

TEST_P(Vif, AsksToBeRungBeforeItIsLeftAlone) {
    start();
    EXPECT_TRUE(host->vif->arm());
    EXPECT_EQ(guest.tx().header.req_event, 1U);
    guest.send(frame());
    EXPECT_FALSE(host->vif->arm()) << "something came in between";
    run();
    guest.send(frame());
    run();
    EXPECT_TRUE(host->vif->arm());
    EXPECT_EQ(guest.tx().header.req_event, 3U);
}

TEST_P(Vif, TakesABoundedBatchInOneTurn) {
    start();
    for (unsigned i = 0; i < 100; ++i) {
        guest.send(frame());
    }
    EXPECT_EQ(run().next, Turn::Next::more);
    EXPECT_EQ(outside.frames.size(), 64U);
    EXPECT_EQ(run().next, Turn::Next::idle);
    EXPECT_EQ(outside.frames.size(), 100U);
}

TEST_P(Vif, KeepsToItsRate) {
    guest.settings.rate = 1'000'000;
    start();
    std::size_t sent = 0;
    for (unsigned step = 0; step < 2000; ++step, now += 1ms) {
        for (; sent < 200 + outside.frames.size(); ++sent) {
            guest.send(frame(1000));
        }
        guest.tx_responses();
        run();
    }
    const std::size_t bits = outside.frames.size() * frame(1000).size() * 8;
    EXPECT_GE(bits, 2'000'000U);
    EXPECT_LE(bits, 2'000'000U + (64 << 13) + 10'000);
    const auto turn = run();
    EXPECT_EQ(turn.next, Turn::Next::later);
    EXPECT_GT(turn.time, now - 1ms);
}

// ---- closing, restart

TEST_P(Vif, IsServedWhileItCloses) {
    start();
    host->vif->begin_close();
    EXPECT_EQ(guest.control().header.backend_state, State::closing);
    guest.send(frame());
    run();
    EXPECT_EQ(outside.frames.size(), 1U);
    EXPECT_EQ(host->host.closed, 0U);
    guest.control().header.frontend_state = State::closed;
    run();
    EXPECT_EQ(host->host.closed, 1U);
    EXPECT_EQ(guest.control().header.backend_state, State::closed);
    EXPECT_EQ(guest.domain.lane().mapped(), 1U);
    guest.control().header.frontend_state = State::initialising;
    run();
    EXPECT_EQ(guest.control().header.backend_state, State::init_wait) << "once more, if it likes";
}

TEST_P(Vif, IsClosedAtOnceWhenNoFrontendCame) {
    host.emplace(guest, &network);
    host->vif->begin_close();
    EXPECT_EQ(host->host.closed, 1U);
    EXPECT_EQ(guest.control().header.backend_state, State::closed);
}

TEST_P(Vif, OpensAgainForAFrontendThatLeft) {
    start();
    guest.control().header.frontend_state = State::closing;
    run();
    EXPECT_EQ(guest.control().header.backend_state, State::closed);
    deliver(frame_in());
    guest.control().header.frontend_state = State::initialising;
    run();
    EXPECT_EQ(guest.control().header.backend_state, State::init_wait);
    guest.publish();
    run();
    EXPECT_EQ(guest.control().header.backend_state, State::connected);
    EXPECT_EQ(host->host.closed, 0U);
}

TEST_P(Vif, GoesOnWhereAnotherDaemonStopped) {
    start();
    guest.post(4);
    deliver(frame_in(20));
    guest.send(frame());
    run();
    guest.send(frame(30));
    host.reset();
    const unsigned before = guest.domain.lane().notified();
    host.emplace(guest, &network, Origin::adopted);
    EXPECT_EQ(guest.control().header.backend_state, State::connected);
    EXPECT_EQ(guest.control().header.backend_features, vif_features);
    EXPECT_EQ(guest.domain.lane().notified(), before + 1);
    run();
    ASSERT_EQ(outside.frames.size(), 2U);
    EXPECT_EQ(outside.frames[1], frame(30));
    deliver(frame_in(40));
    const auto got = guest.received();
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[1].bytes, frame_in(40));
    EXPECT_EQ(guest.tx_responses(), (Responses{{0, 0}, {1, 0}}));
}

TEST_P(Vif, TakesOverAFrontendThatIsStillToConnect) {
    host.emplace(guest, &network, Origin::adopted);
    guest.publish();
    run();
    EXPECT_EQ(guest.control().header.backend_state, State::connected);
}

// ---- mistakes of the toolstack

TEST_P(Vif, SaysThatThereIsNoSuchNetwork) {
    host.emplace(guest, nullptr);
    expect_stopped("no network named 'default'");
    guest.publish();
    run();
    EXPECT_EQ(guest.control().header.backend_state, State::closing);
}

TEST_P(Vif, SaysThatItsAddressIsTaken) {
    VifGuest other(2);
    other.settings.mac = mac(1);
    VifHost second(other, &network);
    host.emplace(guest, &network);
    expect_stopped("another vif of network 'default' has the MAC address 02:63:68:00:00:01");
}

// ---- hostile guests

TEST_P(Vif, AnswersSlotsThatMakeNoSenseWithErrors) {
    start();
    const auto whole = static_cast<std::uint16_t>(frame().size());
    std::memcpy(guest.buffer(0), frame().data(), whole);
    guest.tx_slot({1000, 0, 0, 0, whole});                     // not granted
    guest.tx_slot({0xffffffff, 0, 0, 1, whole});               // no such entry
    guest.tx_slot({VifGuest::buffer_ref, 4090, 0, 2, whole});  // leaves the page
    guest.tx_slot({VifGuest::buffer_ref, 0, 0, 3, 13});        // no frame
    guest.tx_slot({VifGuest::buffer_ref, 0, 0, 4, 1519});      // larger than the MTU
    guest.tx_slot({VifGuest::buffer_ref, 0, 0, 5, 0});
    guest.tx_slot({VifGuest::buffer_ref, 0, wire::tx_more_data, 6, 100});  // the second is as large as the whole
    guest.tx_slot({VifGuest::buffer_ref, 0, 0, 7, 100});
    guest.tx_slot({VifGuest::buffer_ref, 0, wire::tx_more_data, 8, whole});  // the second leaves its page
    guest.tx_slot({VifGuest::buffer_ref, 0xffff, 0, 9, 10});
    guest.tx_slot({VifGuest::buffer_ref, 0, 0, 10, whole});  // good
    guest.tx_publish();
    run();
    EXPECT_EQ(
        guest.tx_responses(),
        (Responses{{0, -1}, {1, -1}, {2, -1}, {3, -1}, {4, -1}, {5, -1}, {6, -1}, {7, -1}, {8, -1}, {9, -1}, {10, 0}}));
    ASSERT_EQ(outside.frames.size(), 1U);
    EXPECT_EQ(outside.frames[0], frame());
    EXPECT_EQ(host->count("errors"), 9U - 2U + 1U);
    EXPECT_TRUE(host->host.stopped.empty());
}

TEST_P(Vif, TakesNoExtraInfo) {
    start();
    guest.send(frame());
    guest.tx_slot({VifGuest::buffer_ref, 0, wire::tx_extra_info | wire::tx_more_data, 1, 60});
    guest.tx_slot({0x0101, 0, 0, 2, 0});  // type 1, more
    guest.tx_slot({0x0001, 0, 0, 3, 0});  // type 1, last
    guest.tx_slot({VifGuest::buffer_ref, 0, 0, 4, 20});
    guest.send(frame());
    run();
    EXPECT_EQ(guest.tx_responses(), (Responses{{0, 0}, {1, -1}, {0, 1}, {0, 1}, {4, -1}, {5, 0}}));
    EXPECT_EQ(outside.frames.size(), 2U);
}

TEST_P(Vif, StopsAtAnImpossibleIndexOfTx) {
    start();
    guest.tx().header.req_prod = 257;
    run();
    expect_stopped("tx ring: impossible request index");
}

TEST_P(Vif, StopsAtAnIndexThatRunsBackwards) {
    start();
    guest.send(frame());
    run();
    guest.tx().header.req_prod = 0;
    run();
    expect_stopped("tx ring: impossible request index");
}

TEST_P(Vif, StopsAtAnImpossibleIndexOfRx) {
    start();
    guest.rx().header.req_prod = 1000;
    deliver(frame_in());
    expect_stopped("rx ring: impossible request index");
    deliver(frame_in());
}

TEST_P(Vif, StopsAtAPacketWithoutEnd) {
    start();
    for (unsigned i = 0; i < 19; ++i) {
        guest.tx_slot({VifGuest::buffer_ref, 0, wire::tx_more_data, 0, 50});
    }
    guest.tx_publish();
    run();
    expect_stopped("tx ring: a packet of more than 18 requests");
}

TEST_P(Vif, StopsAtAPacketThatIsNotThereWhole) {
    start();
    guest.tx_slot({VifGuest::buffer_ref, 0, wire::tx_more_data, 0, 50});
    guest.tx_publish();
    run();
    expect_stopped("tx ring: a packet goes on in a request that is not there");
}

TEST_P(Vif, StopsAtRingsThatAreNotGranted) {
    host.emplace(guest, &network);
    guest.publish();
    guest.control().queue[0].rx_ref = 1000;
    run();
    expect_stopped("rx ring: the guest has not granted that page");
}

TEST_P(Vif, StopsAtQueuesThatWereNotOffered) {
    host.emplace(guest, &network);
    guest.publish();
    guest.control().queues = 0x80000000;
    run();
    expect_stopped("2147483648 queues, expected 1");
}

TEST_P(Vif, AnswersBuffersThatAreNotGrantedWithErrors) {
    start();
    guest.post(2);
    guest.domain.grant(VifGuest::buffer_ref + 100).flags = base::grant_permit_access | base::grant_readonly;
    deliver(frame_in());
    deliver(frame_in());
    const auto got = guest.received();
    ASSERT_EQ(got.size(), 2U);
    EXPECT_TRUE(got[0].error);
    EXPECT_FALSE(got[1].error);
    EXPECT_EQ(host->count("errors"), 1U);
}

TEST_P(Vif, DropsWhatIsSpoofed) {
    start();
    guest.send(udp_frame(peer, mac(9), ip(1), ip(50)));
    guest.send(udp_frame(peer, mac(1), ip(9), ip(50)));
    run();
    EXPECT_TRUE(outside.frames.empty());
    EXPECT_EQ(host->count("dropped_spoofed"), 2U);
}

TEST_P(Vif, StopsOnceAndForAll) {
    start();
    guest.tx().header.req_prod = 1000;
    run();
    guest.control().header.frontend_state = State::closed;
    run();
    EXPECT_EQ(guest.control().header.backend_state, State::closed);
    guest.control().header.frontend_state = State::initialising;
    run();
    EXPECT_EQ(guest.control().header.backend_state, State::closed);
    EXPECT_EQ(host->host.stopped.size(), 1U);
}

TEST_P(Vif, IsClosedAtOnceWhenItWasStopped) {
    host.emplace(guest, nullptr);
    host->vif->begin_close();
    EXPECT_EQ(host->host.closed, 1U);
}

TEST_P(Vif, HandshakesAreNoProgress) {
    start();
    for (const State state : {State::closed, State::initialising, State::connected}) {
        guest.control().header.frontend_state = state;
        EXPECT_FALSE(run().moved);
    }
}

}  // namespace
}  // namespace noxs
