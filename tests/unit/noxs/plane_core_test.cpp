// SPDX-License-Identifier: Apache-2.0
#include "noxs/plane/core.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include "base/log.hpp"
#include "noxs/backends.hpp"
#include "noxs/shared.hpp"
#include "noxs/wire/blkif.hpp"
#include "tests/support/fake_domain.hpp"
#include "tests/support/held_block_io.hpp"

namespace noxs {
namespace {

using test_support::FakeDomain;
using test_support::HeldBlockIo;
using wire::BlockOp;

/// A domain with one disk, connected by hand.
struct DiskGuest {
    static constexpr std::uint32_t control_ref = 8;
    static constexpr std::uint32_t ring_ref = 9;
    static constexpr std::uint32_t data_ref = 10;
    static constexpr std::uint64_t ring_gfn = FakeDomain::ram_gfn;

    explicit DiskGuest(unsigned number) : domain(base::DomId(static_cast<std::uint16_t>(number))) {
        domain.grant_page(control_ref, FakeDomain::control_gfn);
        domain.grant_page(ring_ref, ring_gfn);
        domain.grant_page(data_ref, ring_gfn + 1);
    }
    DeviceName name() const { return {domain.id(), wire::DeviceType::vbd, 4}; }
    DeviceOrder order() {
        DeviceOrder made{domain.id(), {}, VbdSettings{}, Origin::fresh};
        made.entry.type = wire::DeviceType::vbd;
        made.entry.id = 4;
        made.entry.control_ref = control_ref;
        made.entry.port = test_support::FakeLaneEnd::port;
        auto& settings = std::get<VbdSettings>(made.settings);
        settings.sectors = 1024;
        settings.flags = static_cast<std::uint32_t>(wire::VbdFlag::discard);
        describe(&domain.page<std::byte>(FakeDomain::control_gfn), made.entry, settings);
        auto& control = domain.page<wire::VbdControl>(FakeDomain::control_gfn);
        control.ring_ref[0] = ring_ref;
        control.header.frontend_state = wire::State::connected;
        return made;
    }
    void ask(BlockOp op) {
        auto& ring = domain.page<wire::BlockRing>(ring_gfn);
        auto& entry = ring.entries[ring.header.req_prod++ % wire::block_ring_entries];
        entry = {};
        if (op == BlockOp::discard) {
            entry.discard = {op, 0, 0, 0, 1, 0, 8};
        } else {
            entry.request.op = op;
            entry.request.segment_count = op == BlockOp::flush ? 0 : 1;
            entry.request.segments[0] = {data_ref, 0, 7, 0};
        }
    }

    FakeDomain domain;
};

struct PlaneCoreTest : testing::Test {
    void SetUp() override { base::set_log_level(base::Level::error); }
    void TearDown() override {
        if (core) {
            io->end_all();  // or the core's end waits for them
        }
        base::set_log_level(base::Level::info);
    }
    /// A guest with each kind of request in flight, and some that wait.
    std::unique_ptr<DiskGuest> busy(unsigned number) {
        auto guest = std::make_unique<DiskGuest>(number);
        core->add_domain(*guest->domain.open_data_lane({}));
        core->add(guest->order());
        for (const auto op : {BlockOp::read, BlockOp::write, BlockOp::flush, BlockOp::discard, BlockOp::discard}) {
            guest->ask(op);
        }
        core->round(now);
        core->round(now);
        EXPECT_EQ(core->status(guest->domain.id())[0].backend, wire::State::connected);
        EXPECT_EQ(guest->domain.lane().mapped(), 2U);
        return guest;
    }
    bool told_of_ring(const hypervisor::DataLane& lane) {
        pollfd bell{lane.doorbell(), POLLIN, 0};
        return ::poll(&bell, 1, 0) == 1;
    }

    Epoll epoll = *Epoll::open();
    PlaneCore::Events events = *PlaneCore::Events::open();
    HeldBlockIo* io = new HeldBlockIo;  // the core's
    std::optional<PlaneCore> core{std::in_place, epoll, events, std::unique_ptr<BlockIo>(io)};
    Clock::time_point now{std::chrono::hours(1)};
};

TEST_F(PlaneCoreTest, ARingBeforeItsDomainIsKnownIsTaken) {
    DiskGuest guest(1);
    auto lane = *guest.domain.open_data_lane({});
    auto& bell = *lane;
    guest.domain.lane().ring();
    std::uint64_t rung = 0;
    ASSERT_EQ(::read(bell.doorbell(), &rung, sizeof rung), static_cast<ssize_t>(sizeof rung)) << "nobody was there";
    core->add_domain(std::move(lane));
    core->add(guest.order());
    guest.domain.lane().ring();
    EXPECT_TRUE(told_of_ring(bell)) << "the guest believes its first ring to be on its way still";
}

TEST_F(PlaneCoreTest, StopsAGuestThatRingsWithoutEnd) {
    const auto guest = busy(1);
    const auto other = busy(2);
    const auto stopped = [this](const DiskGuest& who) { return core->status(who.domain.id())[0].stopped; };
    for (unsigned rings = 0; rings < PlaneCore::most_idle_rings; ++rings) {
        core->on_ready({Source::lane, 1});
    }
    EXPECT_EQ(stopped(*guest), "");
    core->on_ready({Source::lane, 1});
    EXPECT_EQ(stopped(*guest), "rings without end");
    EXPECT_EQ(stopped(*other), "");
}

TEST_F(PlaneCoreTest, RingsThatMoveADeviceAreNotCounted) {
    const auto guest = busy(1);
    for (unsigned rings = 0; rings <= PlaneCore::most_idle_rings; ++rings) {
        if (rings % 1000 == 0) {
            io->end(0);
            core->round(now);
            guest->ask(BlockOp::read);
        }
        core->on_ready({Source::lane, 1});
        core->round(now);
    }
    EXPECT_EQ(core->status(guest->domain.id())[0].stopped, "");
}

TEST_F(PlaneCoreTest, RemovingADeviceDoesNotWaitForItsDisk) {
    const auto guest = busy(1);
    ASSERT_EQ(io->jobs.size(), 4U) << "two of the slow ones";
    core->remove(guest->name());
    EXPECT_TRUE(core->status(guest->domain.id()).empty());
    EXPECT_EQ(guest->domain.lane().mapped(), 0U);
    EXPECT_TRUE(guest->domain.lane().is_open());
    EXPECT_EQ(io->jobs.size(), 4U);
    io->end_all();
    core->round(now);
    EXPECT_TRUE(io->jobs.empty()) << "and nothing follows";
    EXPECT_EQ(guest->domain.page<wire::BlockRing>(DiskGuest::ring_gfn).header.rsp_prod, 0U);
}

TEST_F(PlaneCoreTest, ADeviceThatIsCutIsClosedWhenItsDiskIsDone) {
    const auto guest = busy(1);
    core->cut(guest->name());
    EXPECT_EQ(guest->domain.lane().mapped(), 0U);
    core->round(now);
    EXPECT_TRUE(events.take().empty()) << "the disk still reads into the guest";
    io->end_all();
    core->round(now);
    const auto told = events.take();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].device, guest->name());
    EXPECT_FALSE(told[0].stopped);
    core->cut(guest->name());
    EXPECT_TRUE(events.take().empty()) << "nobody knows it any more";
}

TEST_F(PlaneCoreTest, RemovingADomainDoesNotWaitForItsDisks) {
    auto guest = busy(1);
    const auto other = busy(2);
    core->remove_domain(guest->domain.id());
    EXPECT_EQ(guest->domain.lane().mapped(), 0U);
    EXPECT_TRUE(guest->domain.lane().is_open()) << "reads still go to its memory";
    core->round(now);
    EXPECT_TRUE(guest->domain.lane().is_open());
    for (unsigned i = 0; i < 4; ++i) {
        io->end(0);
    }
    core->round(now);
    EXPECT_FALSE(guest->domain.lane().is_open());
    EXPECT_EQ(core->status(other->domain.id())[0].counters.back().second, 5U) << "in flight";

    guest = busy(1);
    EXPECT_TRUE(guest->domain.lane().is_open()) << "another one may have its number";
}

TEST_F(PlaneCoreTest, AClosedDiskIsRemovedWhileItIsBusy) {
    const auto guest = busy(1);
    core->close(guest->name());
    store_release(guest->domain.page<wire::VbdControl>(FakeDomain::control_gfn).header.frontend_state,
                  wire::State::closed);
    core->round(now);
    EXPECT_TRUE(events.take().empty()) << "closed only when the disk touches none of its pages";
    core->remove(guest->name());
    core->remove_domain(guest->domain.id());
    EXPECT_EQ(guest->domain.lane().mapped(), 0U);
    io->end_all();
    core->round(now);
    EXPECT_FALSE(guest->domain.lane().is_open());
    EXPECT_TRUE(events.take().empty());
}

TEST_F(PlaneCoreTest, ItsEndWaitsForDisksAWhile) {
    const auto guest = busy(1);
    const auto other = busy(2);
    core->remove(guest->name());
    io->end_at_submit = io->submits + 3;
    core->shut();
    EXPECT_FALSE(guest->domain.lane().is_open());
    EXPECT_FALSE(other->domain.lane().is_open());
}

TEST_F(PlaneCoreTest, ItsEndLeavesBehindWhatDisksStillWriteTo) {
    static HeldBlockIo* left = nullptr;  // as the kernel, who knows of it until the process ends
    left = io;
    static const auto guest = busy(1);
    const auto before = Clock::now();
    core.reset();
    EXPECT_GE(Clock::now() - before, PlaneCore::patience);
    EXPECT_EQ(left->jobs.size(), 4U);
    EXPECT_EQ(guest->domain.lane().mapped(), 0U);
    EXPECT_TRUE(guest->domain.lane().is_open());
}

TEST_F(PlaneCoreTest, DoesNotSleepWhileTheKernelHasNotTakenAll) {
    const auto guest = busy(1);
    while (core->round(now += std::chrono::milliseconds(1))) {
    }
    ASSERT_EQ(core->may_sleep(now), -1);
    io->stuck = true;
    core->round(now);
    EXPECT_EQ(core->may_sleep(now), 1) << "nothing else would wake it";
    io->stuck = false;
    const unsigned before = io->submits;
    core->round(now);
    EXPECT_EQ(io->submits, before + 1);
    EXPECT_EQ(core->may_sleep(now), -1);
}

TEST_F(PlaneCoreTest, ARequestThatIsOverWakesItsDisk) {
    const auto guest = busy(1);
    while (core->round(now += std::chrono::milliseconds(1))) {
    }
    io->end(0);
    core->round(now);
    EXPECT_EQ(core->may_sleep(now), 0);
    core->round(now);
    EXPECT_EQ(guest->domain.page<wire::BlockRing>(DiskGuest::ring_gfn).header.rsp_prod, 1U);
}

}  // namespace
}  // namespace noxs
