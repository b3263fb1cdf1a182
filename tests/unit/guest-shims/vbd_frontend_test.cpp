// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/vbd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "fake_vbd.hpp"
#include "guest-shims/guests/blkcheck_options.hpp"
#include "guest-shims/guests/blkcheck_pattern.hpp"
#include "guest-shims/guests/latencies.hpp"

namespace guest {

namespace {

using noxs::wire::BlockOp;
using noxs::wire::State;

struct VbdFrontend : testing::Test {
    FakeGuest guest;
    std::unique_ptr<FakeVbd> backend = std::make_unique<FakeVbd>(guest);
    System system{guest.platform, backend->boot(), backend->begin()};

    std::uint64_t rings() const { return std::ranges::count(guest.platform.rung, FakeVbd::port); }
};

TEST_F(VbdFrontend, PublishesItsRing) {
    const Vbd vbd(system, 8);
    EXPECT_TRUE(vbd.connected());
    EXPECT_EQ(backend->frontend(), State::connected);
    EXPECT_EQ(backend->control.page.ring_order, 0U);
    EXPECT_NE(backend->page(backend->control.page.ring_ref[0]), nullptr);
    EXPECT_EQ(vbd.sectors(), FakeVbd::sectors);
    EXPECT_EQ(rings(), 1U);
}

TEST_F(VbdFrontend, MovesData) {
    Vbd vbd(system, 8);
    std::memset(vbd.page(2), 'x', 2 * base::page_size);
    ASSERT_TRUE(vbd.start({BlockOp::write, 16, 13, 2, 7}));
    EXPECT_EQ(backend->waiting(), 0U) << "not before the flush";
    vbd.flush();
    EXPECT_EQ(rings(), 2U);
    ASSERT_EQ(backend->waiting(), 1U);
    EXPECT_EQ(backend->serve(), 2U);
    EXPECT_EQ(backend->disk[16 * 512], std::byte{'x'});
    EXPECT_EQ(backend->disk[29 * 512 - 1], std::byte{'x'});
    EXPECT_EQ(backend->disk[29 * 512], std::byte{0});
    const auto done = vbd.take();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->tag, 7U);
    EXPECT_EQ(done->status, noxs::wire::block_okay);
    EXPECT_FALSE(vbd.take());
}

TEST_F(VbdFrontend, LargeRequestsAreIndirect) {
    Vbd vbd(system, 300);
    ASSERT_EQ(vbd.request_pages(), 256U);
    ASSERT_EQ(vbd.pages(), 300U);
    std::memset(vbd.page(0), 'y', 256 * base::page_size);
    ASSERT_TRUE(vbd.start({BlockOp::write, 0, 2048, 0, 1}));
    ASSERT_FALSE(vbd.start({BlockOp::write, 0, 2049, 0, 1})) << "257 pages";
    vbd.flush();
    EXPECT_EQ(backend->serve(), 256U);
    EXPECT_EQ(backend->disk[1'048'575], std::byte{'y'});
    EXPECT_EQ(backend->disk[1'048'576], std::byte{0});
}

TEST_F(VbdFrontend, ASmallPoolNeedsNoLists) {
    Vbd vbd(system, 11);
    EXPECT_EQ(vbd.request_pages(), 11U);
}

TEST_F(VbdFrontend, SaysFlushAndDiscard) {
    Vbd vbd(system, 1);
    ASSERT_TRUE(vbd.start({BlockOp::flush}));
    ASSERT_TRUE(vbd.start({BlockOp::discard, 8, 64, 0, 0}));
    vbd.flush();
    const auto flush = backend->next().request;
    EXPECT_EQ(flush.op, BlockOp::flush);
    EXPECT_EQ(flush.segment_count, 0);
    const auto discard = backend->next().discard;
    EXPECT_EQ(discard.op, BlockOp::discard);
    EXPECT_EQ(discard.sector, 8U);
    EXPECT_EQ(discard.sectors, 64U);
}

TEST_F(VbdFrontend, RefusesWhatCantBeSaid) {
    Vbd vbd(system, 4);
    EXPECT_FALSE(vbd.start({BlockOp::read, 0, 0, 0, 0}));
    EXPECT_FALSE(vbd.start({BlockOp::read, 0, 40, 0, 0})) << "five pages of four";
    EXPECT_FALSE(vbd.start({BlockOp::read, 0, 8, 4, 0}));
    EXPECT_FALSE(vbd.start({BlockOp::read, 0, 0xffffffff, 0, 0}));
    EXPECT_FALSE(vbd.start({BlockOp::write_barrier, 0, 8, 0, 0}));
    EXPECT_EQ(vbd.outstanding(), 0U);
}

TEST_F(VbdFrontend, AFullRing) {
    Vbd vbd(system, 1);
    for (std::uint32_t n = 0; n < 32; ++n) {
        ASSERT_TRUE(vbd.start({BlockOp::read, n * 8, 8, 0, n}));
    }
    EXPECT_FALSE(vbd.start({BlockOp::read, 0, 8, 0, 0}));
    vbd.flush();
    backend->serve();
    EXPECT_FALSE(vbd.arm());
    ASSERT_TRUE(vbd.take());
    EXPECT_TRUE(vbd.arm());
    EXPECT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 0}));
}

TEST_F(VbdFrontend, TakesResponsesInAnyOrder) {
    Vbd vbd(system, 2);
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 100}));
    ASSERT_TRUE(vbd.start({BlockOp::read, 8, 8, 1, 101}));
    vbd.flush();
    const auto first = backend->next().request.id;
    const auto second = backend->next().request.id;
    EXPECT_LT(second, std::uint64_t{1} << 32) << "docs/noxs-protocol.md";
    backend->answer(second);
    backend->answer(first, noxs::wire::block_error);
    EXPECT_EQ(vbd.take()->tag, 101U);
    const auto done = vbd.take();
    EXPECT_EQ(done->tag, 100U);
    EXPECT_EQ(done->status, noxs::wire::block_error);
}

TEST_F(VbdFrontend, LeavesABackendThatAnswersWhatNobodyAsked) {
    for (const std::uint64_t id : {5ULL, 32ULL, ~0ULL}) {
        SCOPED_TRACE(id);
        backend->prepare();
        backend->detach();
        Vbd vbd(system, 1);
        backend->attach();
        ASSERT_TRUE(vbd.follow());
        ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 9}));
        vbd.flush();
        backend->answer(id);
        EXPECT_FALSE(vbd.take());
        backend->state(State::closed);
        vbd.follow();
        const auto done = vbd.take();
        ASSERT_TRUE(done);
        EXPECT_EQ(done->tag, 9U);
        EXPECT_EQ(done->status, noxs::wire::block_error);
        EXPECT_EQ(backend->frontend(), State::closed);
        EXPECT_FALSE(vbd.connected());
    }
}

TEST_F(VbdFrontend, LeavesABackendWhoseIndexRunsAway) {
    Vbd vbd(system, 1);
    backend->ring().header.rsp_prod = 1;
    EXPECT_FALSE(vbd.take());
    EXPECT_EQ(backend->frontend(), State::closed);
}

TEST_F(VbdFrontend, ADetachLetsFinishWhatIsOnItsWay) {
    Vbd vbd(system, 1);
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 3}));
    vbd.flush();
    backend->state(State::closing);
    EXPECT_TRUE(vbd.follow());
    EXPECT_FALSE(vbd.connected());
    EXPECT_FALSE(vbd.start({BlockOp::read, 0, 8, 0, 4}));
    EXPECT_EQ(backend->frontend(), State::connected);
    backend->serve();
    EXPECT_EQ(vbd.take()->status, noxs::wire::block_okay);
    vbd.follow();
    EXPECT_EQ(backend->frontend(), State::closed);
}

TEST_F(VbdFrontend, ABackendThatIsGoneEndsRequests) {
    Vbd vbd(system, 1);
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 3}));
    vbd.flush();
    backend->state(State::closed);
    vbd.follow();
    EXPECT_FALSE(vbd.arm());
    EXPECT_EQ(vbd.take()->status, noxs::wire::block_error);
    EXPECT_EQ(vbd.outstanding(), 0U);
}

TEST_F(VbdFrontend, PagesAreBackWhenTheBackendHasLetGo) {
    Vbd vbd(system, 1);
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 3}));
    vbd.flush();
    EXPECT_FALSE(vbd.patience());
    guest.platform.time.value = 5 * ns_per_second;
    backend->state(State::closing);
    vbd.follow();
    ASSERT_TRUE(vbd.patience());
    EXPECT_EQ(vbd.patience()->value, ns_per_second);
    guest.platform.time.value += ns_per_second - 1;
    vbd.follow();
    EXPECT_EQ(vbd.patience()->value, 1U);
    EXPECT_TRUE(vbd.arm()) << "it sleeps, but not for ever";
    EXPECT_EQ(backend->frontend(), State::connected);
    guest.platform.time.value += 1;
    vbd.follow();
    EXPECT_EQ(backend->frontend(), State::closed);
    EXPECT_FALSE(vbd.patience());
    EXPECT_FALSE(vbd.take()) << "the disk may still write there";
    EXPECT_TRUE(vbd.arm()) << "the backend rings when it has closed";
    EXPECT_EQ(vbd.outstanding(), 1U);
    backend->state(State::closed);
    vbd.follow();
    EXPECT_FALSE(vbd.arm());
    EXPECT_EQ(vbd.take()->status, noxs::wire::block_error);
    EXPECT_EQ(vbd.outstanding(), 0U);
}

TEST_F(VbdFrontend, ADetachedDeviceGivesItsPagesBack) {
    Vbd vbd(system, 1);
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 3}));
    vbd.flush();
    backend->ring().header.rsp_prod = 7;
    EXPECT_FALSE(vbd.take());
    backend->detach();
    vbd.follow();
    EXPECT_EQ(vbd.take()->tag, 3U);
}

TEST_F(VbdFrontend, FollowsADeviceThatComesAndGoes) {
    backend->detach();
    Vbd vbd(system, 1);
    EXPECT_FALSE(vbd.connected());
    backend->attach();
    EXPECT_TRUE(vbd.follow());
    EXPECT_TRUE(vbd.connected());
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 3}));
    backend->detach();
    EXPECT_TRUE(vbd.follow());
    EXPECT_EQ(vbd.take()->status, noxs::wire::block_error);
    backend->prepare();
    backend->attach();
    EXPECT_TRUE(vbd.follow());
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 5}));
    vbd.flush();
    backend->serve();
    EXPECT_EQ(vbd.take()->tag, 5U);
}

// Its writer was interrupted, or killed: another one writes the page anew.
TEST_F(VbdFrontend, RequestsGoOnWhileThePageIsBeingWritten) {
    Vbd vbd(system, 1);
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 3}));
    vbd.flush();
    guest.devices.generation += 1;
    EXPECT_FALSE(vbd.follow());
    EXPECT_FALSE(vbd.take());
    guest.devices.generation += 1;
    EXPECT_FALSE(vbd.follow());
    backend->serve();
    EXPECT_EQ(vbd.take()->status, noxs::wire::block_okay);
}

// The guest was paused meanwhile: the device went without it.
TEST_F(VbdFrontend, ConnectsToANewDeviceOfTheSameName) {
    Vbd vbd(system, 1);
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 3}));
    vbd.flush();
    backend->prepare();
    backend->attach();
    EXPECT_TRUE(vbd.follow());
    EXPECT_EQ(backend->frontend(), State::connected);
    EXPECT_EQ(vbd.take()->status, noxs::wire::block_error);
    ASSERT_TRUE(vbd.start({BlockOp::read, 0, 8, 0, 5}));
    vbd.flush();
    backend->serve();
    EXPECT_EQ(vbd.take()->tag, 5U);
}

TEST_F(VbdFrontend, OtherDevicesAreNotItsOwn) {
    const Vbd vbd(system, 1, 17);
    EXPECT_FALSE(vbd.connected());
}

// ---- what blkcheck is made of

TEST(BlkcheckPattern, FindsTheSectorThatIsWrong) {
    alignas(8) std::byte data[4 * 512];
    const Pattern pattern{1};
    pattern.fill(data, 100, 4);
    EXPECT_FALSE(pattern.find_wrong(data, 100, 4));
    EXPECT_EQ(pattern.find_wrong(data, 101, 4), 101U) << "a sector too far";
    EXPECT_EQ(Pattern{2}.find_wrong(data, 100, 4), 100U) << "another run";
    data[3 * 512 - 1] ^= std::byte{1};
    EXPECT_EQ(pattern.find_wrong(data, 100, 4), 102U);
}

TEST(BlkcheckOptions, TakesSizes) {
    EXPECT_EQ(parse_size("4096"), 4096U);
    EXPECT_EQ(parse_size("64KiB"), 65536U);
    EXPECT_EQ(parse_size("1GiB"), 1U << 30);
    for (const char* wrong : {"", "KiB", "4kb", "-1", "99999999999999999999", "8388608GiB"}) {
        EXPECT_FALSE(parse_size(wrong)) << wrong;
    }
}

TEST(BlkcheckOptions, RefusesWhatMakesNoSense) {
    EXPECT_TRUE(parse_options(""));
    EXPECT_EQ(parse_options("mode=bench op=read bs=1MiB depth=4 seconds=2")->block_size, 1U << 20);
    for (const char* wrong : {"mode=x", "mode=bench op=erase", "bs=0", "bs=512", "bs=2MiB", "depth=0", "depth=33",
                              "size=100", "seconds=x", "seed="}) {
        EXPECT_FALSE(parse_options(wrong)) << wrong;
    }
}

TEST(Latencies, TellsPercentiles) {
    Latencies latencies;
    EXPECT_EQ(latencies.percentile(50), 0U);
    for (std::uint64_t us = 1; us <= 1000; ++us) {
        latencies.add(us);
    }
    latencies.add(~0ULL);
    EXPECT_NEAR(static_cast<double>(latencies.percentile(50)), 500, 32);
    EXPECT_NEAR(static_cast<double>(latencies.percentile(99)), 990, 62);
    EXPECT_EQ(latencies.max(), ~0ULL);
}

}  // namespace

}  // namespace guest
