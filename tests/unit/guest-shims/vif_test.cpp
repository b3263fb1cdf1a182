// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/vif.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fake_vif.hpp"

namespace guest {
namespace {

namespace wire = noxs::wire;
using testing::IsEmpty;
using testing::SizeIs;

class VifTest : public testing::Test {
 protected:
    static constexpr Vif::Pools pools{.rx = 4, .tx = 4};

    std::string send(Vif& vif, const std::string& text, Vif::Checksum checksum = Vif::Checksum::complete) {
        const auto room = vif.room();
        if (room.size() < text.size()) {
            return "no room";
        }
        std::memcpy(room.data(), text.data(), text.size());
        vif.send(text.size(), checksum);
        return "sent";
    }
    /// Takes the next frame and gives its buffer back.
    std::string receive(Vif& vif) {
        const auto frame = vif.receive();
        if (!frame) {
            return "nothing";
        }
        std::string text(reinterpret_cast<const char*>(frame->bytes.data()), frame->bytes.size());
        vif.give_back(frame->buffer);
        return text;
    }
    std::size_t rings() const { return guest.platform.rung.size(); }

    FakeGuest guest;
    FakeVif backend{guest};
    System system{guest.platform, backend.boot(), backend.begin()};
};

TEST_F(VifTest, PublishesRingsAndFeaturesAndRings) {
    const Vif vif(system, pools);
    EXPECT_TRUE(vif.connected());
    EXPECT_EQ(backend.frontend(), wire::State::connected);
    EXPECT_EQ(backend.control.page.queues, 1U);
    EXPECT_EQ(backend.control.page.header.frontend_features, 6U);  // both checksums, no scatter-gather
    EXPECT_THAT(guest.platform.rung, testing::ElementsAre(FakeVif::port));
    EXPECT_EQ(backend.rx().header.req_prod, 4U);
    EXPECT_EQ(vif.address().mac[5], 9);
    EXPECT_EQ(vif.address().ipv4[3], 9);
    EXPECT_EQ(vif.address().prefix, 16);
    EXPECT_EQ(vif.address().mtu, 1500);
}

TEST_F(VifTest, UsesOnlyWhatIsOffered) {
    backend.control.page.header.backend_features = static_cast<std::uint64_t>(wire::VifFeature::tx_checksum) | 1U << 20;
    const Vif vif(system, pools);
    EXPECT_EQ(backend.control.page.header.frontend_features, 2U);
    EXPECT_TRUE(vif.uses(wire::VifFeature::tx_checksum));
    EXPECT_FALSE(vif.uses(wire::VifFeature::rx_checksum));
}

TEST_F(VifTest, CutsAddressesThatMakeNoSense) {
    backend.control.page.mtu = 65'535;
    backend.control.page.ipv4_prefix = 77;
    const Vif vif(system, pools);
    EXPECT_EQ(vif.address().mtu, Vif::max_mtu);
    EXPECT_EQ(vif.address().prefix, 32);
}

TEST_F(VifTest, SendsABatchWithOneRing) {
    Vif vif(system, pools);
    const std::size_t before = rings();
    send(vif, "one");
    send(vif, "two", Vif::Checksum::blank);
    EXPECT_EQ(rings(), before);
    EXPECT_THAT(backend.take_sent(), IsEmpty());
    vif.flush();
    vif.flush();
    EXPECT_EQ(rings(), before + 1);
    const auto sent = backend.take_sent();
    ASSERT_THAT(sent, SizeIs(2));
    EXPECT_EQ(sent[0].bytes, "one");
    EXPECT_EQ(sent[0].flags, 0);
    EXPECT_EQ(sent[1].bytes, "two");
    EXPECT_EQ(sent[1].flags, wire::tx_checksum_blank | wire::tx_data_validated);
}

TEST_F(VifTest, RingsNoBackendThatIsAwake) {
    Vif vif(system, pools);
    send(vif, "one");
    vif.flush();
    const std::size_t before = rings();
    send(vif, "two");  // the backend has not asked again
    vif.flush();
    EXPECT_EQ(rings(), before);
}

TEST_F(VifTest, HasNoRoomUntilFramesAreGone) {
    Vif vif(system, pools);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(send(vif, "frame"), "sent");
    }
    vif.flush();
    EXPECT_TRUE(vif.room().empty());
    EXPECT_TRUE(vif.arm(Vif::Until::frame_or_room));
    EXPECT_EQ(backend.tx().header.rsp_event, 2U);  // half of them
    EXPECT_THAT(backend.take_sent(), SizeIs(4));
    EXPECT_FALSE(vif.arm(Vif::Until::frame_or_room));
    EXPECT_EQ(vif.room().size(), Vif::tx_buffer_size);
}

TEST_F(VifTest, FramesThatAreGoneWakeNobody) {
    Vif vif(system, pools);
    send(vif, "frame");
    vif.flush();
    EXPECT_TRUE(vif.arm(Vif::Until::frame));
    EXPECT_EQ(backend.tx().header.rsp_event, 0U);
    EXPECT_EQ(backend.rx().header.rsp_event, 1U);
}

TEST_F(VifTest, ReceivesAndPostsAgain) {
    Vif vif(system, pools);
    for (int round = 0; round < 300; ++round) {
        ASSERT_TRUE(backend.deliver("frame " + std::to_string(round), 0, 2));
        ASSERT_EQ(receive(vif), "frame " + std::to_string(round));
        vif.flush();
    }
    EXPECT_EQ(receive(vif), "nothing");
    EXPECT_EQ(vif.posted(), 4U);
    EXPECT_EQ(vif.counters().received, 300U);
}

TEST_F(VifTest, TellsWhetherAChecksumIsGood) {
    Vif vif(system, pools);
    backend.deliver("plain");
    backend.deliver("checked", wire::rx_data_validated);
    backend.deliver("blank", wire::rx_checksum_blank);
    EXPECT_FALSE(vif.receive()->checksum_good);
    EXPECT_TRUE(vif.receive()->checksum_good);
    EXPECT_TRUE(vif.receive()->checksum_good);
}

TEST_F(VifTest, LentBuffersAreNotPosted) {
    Vif vif(system, pools);
    backend.deliver("kept");
    const auto kept = vif.receive();
    ASSERT_TRUE(kept);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(backend.deliver("more"));
        receive(vif);
    }
    EXPECT_FALSE(backend.deliver("too much"));
    EXPECT_EQ(vif.posted(), 3U);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(kept->bytes.data()), 4), "kept");
    vif.give_back(kept->buffer);
    EXPECT_EQ(vif.posted(), 4U);
}

TEST_F(VifTest, DropsErrorsAndFramesOfSeveralSlots) {
    Vif vif(system, pools);
    backend.deliver("part", wire::rx_more_data);
    backend.deliver("");
    backend.deliver("good");
    EXPECT_EQ(receive(vif), "good");
    EXPECT_EQ(vif.counters().bad, 2U);
    EXPECT_EQ(vif.posted(), 4U);
}

TEST_F(VifTest, DoesNotSleepOverAFrame) {
    Vif vif(system, pools);
    EXPECT_TRUE(vif.arm(Vif::Until::frame));
    backend.deliver("frame");
    EXPECT_FALSE(vif.arm(Vif::Until::frame));
}

TEST_F(VifTest, LetsGoWhenTheBackendCloses) {
    Vif vif(system, pools);
    backend.state(wire::State::closing);
    const std::size_t before = rings();
    EXPECT_TRUE(vif.follow());
    EXPECT_FALSE(vif.connected());
    EXPECT_EQ(backend.frontend(), wire::State::closed);
    EXPECT_EQ(rings(), before + 1);
    EXPECT_TRUE(vif.room().empty());
    EXPECT_EQ(receive(vif), "nothing");
    EXPECT_TRUE(vif.arm(Vif::Until::frame));
    EXPECT_FALSE(vif.follow());
}

TEST_F(VifTest, ConnectsAgainWithBuffersThatWereLent) {
    Vif vif(system, pools);
    backend.deliver("kept");
    const auto kept = vif.receive();
    send(vif, "lost");
    vif.flush();
    backend.state(wire::State::closing);
    vif.follow();
    backend.state(wire::State::init_wait);
    backend.restart();
    EXPECT_TRUE(vif.follow());
    EXPECT_TRUE(vif.connected());
    EXPECT_EQ(vif.posted(), 3U);
    vif.give_back(kept->buffer);
    vif.flush();
    EXPECT_EQ(vif.posted(), 4U);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(send(vif, "again"), "sent");
    }
    vif.flush();
    EXPECT_THAT(backend.take_sent(), SizeIs(4));
}

TEST_F(VifTest, FollowsHotPlug) {
    backend.detach();
    Vif vif(system, pools);
    EXPECT_FALSE(vif.connected());
    backend.attach();
    EXPECT_TRUE(vif.follow());
    EXPECT_TRUE(vif.connected());
    backend.detach();
    EXPECT_TRUE(vif.follow());
    EXPECT_FALSE(vif.connected());
    backend.restart();
    backend.control.page.header.id = 5;
    backend.control.page.header.frontend_state = wire::State::unknown;
    backend.attach();
    EXPECT_TRUE(vif.follow());
    EXPECT_TRUE(backend.deliver("hello"));
    EXPECT_EQ(receive(vif), "hello");
}

// Its writer was interrupted, or killed: another one writes the page anew.
TEST_F(VifTest, KeepsItsDeviceWhileThePageIsBeingWritten) {
    Vif vif(system, pools);
    guest.devices.generation += 1;
    EXPECT_FALSE(vif.follow());
    EXPECT_TRUE(vif.connected());
    guest.devices.generation += 1;
    EXPECT_FALSE(vif.follow());
    EXPECT_TRUE(backend.deliver("hello"));
    EXPECT_EQ(receive(vif), "hello");
    guest.devices.generation += 1;
    vif.follow();
    backend.detach();
    guest.devices.generation += 1;
    EXPECT_TRUE(vif.follow());
    EXPECT_FALSE(vif.connected());
}

// The guest was paused meanwhile: the device went without it.
TEST_F(VifTest, ConnectsToANewDeviceOfTheSameName) {
    Vif vif(system, pools);
    send(vif, "lost");
    vif.flush();
    backend.restart();
    backend.state(wire::State::init_wait);
    backend.control.page.header.frontend_state = wire::State::unknown;
    backend.control.page.ipv4[3] = 10;
    backend.attach();
    EXPECT_TRUE(vif.follow());
    EXPECT_EQ(vif.address().ipv4[3], 10);
    EXPECT_EQ(backend.frontend(), wire::State::connected);
    EXPECT_TRUE(backend.deliver("hello"));
    EXPECT_EQ(receive(vif), "hello");
    EXPECT_EQ(send(vif, "again"), "sent");
}

TEST_F(VifTest, TwoOfThemServeTwoDevices) {
    FakeVif second(guest);
    second.slot = 3;
    second.control.page.header.id = 1;
    second.attach();
    backend.attach();
    guest.devices.count = 4;
    Vif first_vif(system, pools);
    Vif second_vif(system, {.rx = 2, .tx = 2}, &first_vif);
    EXPECT_EQ(backend.frontend(), wire::State::connected);
    EXPECT_EQ(second.frontend(), wire::State::connected);
}

TEST_F(VifTest, TakesFewerBuffersFromAFullGrantTable) {
    // Free: two rings, two pages to send from, three to receive into.
    for (std::size_t i = base::grant_reserved_entries + 7; i < guest.platform.grants.size(); ++i) {
        guest.platform.grants[i].flags = base::grant_permit_access;
    }
    const Vif vif(system, pools);
    EXPECT_TRUE(vif.connected());
    EXPECT_EQ(vif.posted(), 3U);
}

/// What a backend that lies does: the frontend lets go of it, and touches nothing else.
class HostileBackendTest : public VifTest {
 protected:
    void expect_left(const Vif& vif) {
        EXPECT_FALSE(vif.connected());
        EXPECT_EQ(backend.frontend(), wire::State::closed);
    }
};

TEST_F(HostileBackendTest, RxIndexRunsAway) {
    Vif vif(system, pools);
    backend.rx().header.rsp_prod = 5;
    EXPECT_EQ(receive(vif), "nothing");
    expect_left(vif);
}

TEST_F(HostileBackendTest, RxIndexGoesBack) {
    Vif vif(system, pools);
    backend.deliver("frame");
    EXPECT_EQ(receive(vif), "frame");
    backend.rx().header.rsp_prod = 0;
    EXPECT_EQ(receive(vif), "nothing");
    expect_left(vif);
}

TEST_F(HostileBackendTest, RxNumberOfNoBuffer) {
    Vif vif(system, pools);
    backend.answer_rx({4, 0, 0, 10});
    EXPECT_EQ(receive(vif), "nothing");
    expect_left(vif);
}

TEST_F(HostileBackendTest, RxBufferTwice) {
    Vif vif(system, pools);
    backend.answer_rx({1, 0, 0, 10});
    backend.answer_rx({1, 0, 0, 10});
    const auto first = vif.receive();
    ASSERT_TRUE(first);
    EXPECT_FALSE(vif.receive());
    expect_left(vif);
}

TEST_F(HostileBackendTest, RxFrameBeyondItsPage) {
    Vif vif(system, pools);
    backend.answer_rx({0, 4000, 0, 97});
    backend.answer_rx({1, 65'535, 0, 32'767});
    backend.answer_rx({2, 0, 0, -1});
    EXPECT_EQ(receive(vif), "nothing");
    EXPECT_TRUE(vif.connected());
    EXPECT_EQ(vif.counters().bad, 3U);
}

TEST_F(HostileBackendTest, TxIndexRunsAway) {
    Vif vif(system, pools);
    for (int i = 0; i < 4; ++i) {
        send(vif, "frame");
    }
    vif.flush();
    backend.tx().header.rsp_prod = 1000;
    EXPECT_TRUE(vif.room().empty());
    expect_left(vif);
}

TEST_F(HostileBackendTest, TxNumberThatWasNotSent) {
    Vif vif(system, pools);
    for (int i = 0; i < 4; ++i) {
        send(vif, "frame");
    }
    vif.flush();
    backend.answer_tx(0);
    backend.answer_tx(0);
    EXPECT_TRUE(vif.room().empty());
    expect_left(vif);
}

TEST_F(HostileBackendTest, AnswersBeforeTheRequestIsPublished) {
    Vif vif(system, {.rx = 1, .tx = 2});
    send(vif, "frame");
    send(vif, "frame");
    backend.answer_tx(0);
    EXPECT_TRUE(vif.room().empty());
    expect_left(vif);
}

}  // namespace
}  // namespace guest
