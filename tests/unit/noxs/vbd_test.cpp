// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/vbd.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/file_size_limit.hpp"
#include "tests/unit/noxs/vbd_guest.hpp"

namespace {

using noxs::DiskAccess;
using noxs::Origin;
using test_support::VbdGuest;
using testing::HasSubstr;
namespace w = noxs::wire;
using w::BlockOp;

constexpr std::uint64_t mib = 1 << 20;

/// Each test with the guest's pages in place, and by copies as on Xen.
class Vbd : public testing::TestWithParam<bool> {
 protected:
    Vbd() { guest.domain.lane().set_in_place(GetParam()); }
    void connect(DiskAccess access = DiskAccess::read_write) {
        guest.make(Origin::fresh, access);
        guest.connect();
        ASSERT_EQ(guest.control().header.backend_state, w::State::connected);
    }
    VbdGuest guest;
};

INSTANTIATE_TEST_SUITE_P(Lanes, Vbd, testing::Bool(),
                         [](const auto& lane) { return lane.param ? "InPlace" : "ByCopies"; });

std::vector<w::BlockSegment> pages(std::uint32_t first, std::uint32_t count) {
    std::vector<w::BlockSegment> made;
    for (std::uint32_t page = first; page < first + count; ++page) {
        made.push_back(VbdGuest::segment(page));
    }
    return made;
}

TEST_P(Vbd, TellsTheGuestOfItsDisk) {
    connect();
    EXPECT_EQ(guest.control().sectors, mib / 512);
    EXPECT_EQ(guest.control().sector_size, 512U);
    EXPECT_EQ(guest.control().max_ring_order, 0U);
    EXPECT_EQ(guest.control().max_indirect_segments, 256U);
    EXPECT_EQ(guest.control().header.backend_features, static_cast<std::uint64_t>(w::VbdFeature::indirect));
}

TEST_P(Vbd, WritesAndReadsPartsOfPages) {
    connect();
    guest.fill(0, 'a');
    guest.fill(1, 'b');
    ASSERT_EQ(guest.ask(BlockOp::write, 10, std::vector{VbdGuest::segment(0, 2, 3), VbdGuest::segment(1, 7, 7)}), 0);
    EXPECT_EQ(guest.read_disk(5120 - 1, 1538),
              std::string(1, '\0') + std::string(1024, 'a') + std::string(512, 'b') + '\0');
    ASSERT_EQ(guest.ask(BlockOp::read, 11, std::vector{VbdGuest::segment(2, 1, 2)}), 0);
    EXPECT_EQ(guest.text(2, 511, 1026), std::string(1, '\0') + std::string(512, 'a') + std::string(512, 'b') + '\0');
    EXPECT_EQ(guest.counter("reads"), 1U);
    EXPECT_EQ(guest.counter("writes"), 1U);
    EXPECT_EQ(guest.counter("read_bytes"), 1024U);
    EXPECT_EQ(guest.counter("written_bytes"), 1536U);
    EXPECT_EQ(guest.counter("errors"), 0U);
    EXPECT_EQ(guest.counter("in_flight"), 0U);
}

TEST_P(Vbd, MovesAMebibyteAtOnce) {
    connect();
    for (std::uint32_t page = 0; page < 256; ++page) {
        guest.fill(page, static_cast<char>('A' + page % 26));
    }
    ASSERT_EQ(guest.finish(guest.put_indirect(BlockOp::write, 0, pages(0, 256))), 0);
    EXPECT_EQ(guest.read_disk(255 * 4096, 4096), std::string(4096, 'A' + 255 % 26));
    ASSERT_EQ(guest.finish(guest.put_indirect(BlockOp::read, 0, pages(200, 256))), 0);
    EXPECT_EQ(guest.text(200, 0, 4096), std::string(4096, 'A'));
    EXPECT_EQ(guest.text(455, 0, 4096), std::string(4096, 'A' + 255 % 26));
    EXPECT_EQ(guest.response(1).op, BlockOp::read);
}

TEST_P(Vbd, TakesPagesInAnyOrder) {
    connect();
    guest.write_disk(0, std::string(4096, 'x') + std::string(4096, 'y') + std::string(4096, 'z'));
    ASSERT_EQ(
        guest.ask(BlockOp::read, 0, std::vector{VbdGuest::segment(5), VbdGuest::segment(4), VbdGuest::segment(9)}), 0);
    EXPECT_EQ(guest.text(5, 0, 1) + guest.text(4, 4095, 1) + guest.text(9, 7, 1), "xyz");
}

TEST_P(Vbd, FlushesAndDiscards) {
    connect();
    guest.write_disk(0, std::string(65536, 'x'));
    EXPECT_EQ(guest.ask(BlockOp::flush, 0, std::vector<w::BlockSegment>{}), 0);
    EXPECT_EQ(guest.finish(guest.put_discard(8, 16)), 0);
    EXPECT_EQ(guest.read_disk(4095, 8194), "x" + std::string(8192, '\0') + "x");
    EXPECT_EQ(guest.counter("flushes"), 1U);
    EXPECT_EQ(guest.counter("discards"), 1U);
}

TEST_P(Vbd, ServesAFullRing) {
    connect();
    for (std::uint32_t n = 0; n < 32; ++n) {
        guest.fill(n, static_cast<char>('0' + n));
        guest.put(BlockOp::write, n * 8ULL, pages(n, 1));
    }
    guest.publish();
    ASSERT_TRUE(guest.settle());
    ASSERT_EQ(guest.answered(), 32U);
    std::set<std::uint64_t> answered;
    for (std::uint32_t n = 0; n < 32; ++n) {
        answered.insert(guest.response(n).id);
        EXPECT_EQ(guest.response(n).status, 0);
        EXPECT_EQ(guest.read_disk(n * 4096ULL, 1), std::string(1, static_cast<char>('0' + n)));
    }
    EXPECT_EQ(answered.size(), 32U);
    EXPECT_EQ(*answered.begin(), VbdGuest::id_of(0));
    EXPECT_EQ(*answered.rbegin(), VbdGuest::id_of(31));
    EXPECT_GE(guest.domain.lane().notified(), 1U);
}

TEST_P(Vbd, RingsOnlyWhereTheGuestAsked) {
    connect();
    const unsigned before = guest.domain.lane().notified();
    guest.ring().header.rsp_event = 5;
    ASSERT_EQ(guest.ask(BlockOp::read, 0, pages(0, 1)), 0);
    EXPECT_EQ(guest.domain.lane().notified(), before);
    guest.ring().header.rsp_event = 2;
    ASSERT_EQ(guest.ask(BlockOp::read, 0, pages(0, 1)), 0);
    EXPECT_EQ(guest.domain.lane().notified(), before + 1);
}

TEST_P(Vbd, AsksForARingBeforeItSleeps) {
    connect();
    EXPECT_TRUE(guest.device().arm());
    EXPECT_EQ(guest.ring().header.req_event, 1U);
    guest.put(BlockOp::read, 0, pages(0, 1));
    guest.publish();
    EXPECT_FALSE(guest.device().arm());
}

// ---- refused

struct Refused {
    const char* name;
    std::uint32_t (*put)(VbdGuest&);
    int status{w::block_error};
};

class VbdRefuses : public testing::TestWithParam<Refused> {};

std::uint32_t put_with_count(VbdGuest& guest, std::uint8_t count) {
    w::BlockEntry entry{};
    entry.request.op = BlockOp::read;
    entry.request.segment_count = count;
    entry.request.id = VbdGuest::id_of(0);
    std::ranges::fill(entry.request.segments, VbdGuest::segment(0));
    return guest.put(entry);
}

const Refused refused[] = {
    {"NoSegments", [](VbdGuest& g) { return g.put(BlockOp::read, 0, {}); }},
    {"TwelveSegments", [](VbdGuest& g) { return put_with_count(g, 12); }},
    {"ManySegments", [](VbdGuest& g) { return put_with_count(g, 255); }},
    {"LastBeforeFirst", [](VbdGuest& g) { return g.put(BlockOp::read, 0, {VbdGuest::segment(0, 4, 3)}); }},
    {"LastBehindThePage", [](VbdGuest& g) { return g.put(BlockOp::read, 0, {VbdGuest::segment(0, 0, 8)}); }},
    {"FirstBehindThePage", [](VbdGuest& g) { return g.put(BlockOp::read, 0, {VbdGuest::segment(0, 255, 255)}); }},
    {"BehindTheEnd", [](VbdGuest& g) { return g.put(BlockOp::read, mib / 512, {VbdGuest::segment(0, 0, 0)}); }},
    {"AcrossTheEnd", [](VbdGuest& g) { return g.put(BlockOp::write, mib / 512 - 7, pages(0, 1)); }},
    {"SectorThatOverflows", [](VbdGuest& g) { return g.put(BlockOp::write, ~0ULL - 3, pages(0, 1)); }},
    {"OffsetThatOverflows", [](VbdGuest& g) { return g.put(BlockOp::read, 1ULL << 55, pages(0, 1)); }},
    {"PageThatIsNotGranted",
     [](VbdGuest& g) {
         return g.put(BlockOp::read, 0, {{1000, 0, 7, 0}});
     }},
    {"WriteFromAPageThatIsNotGranted",
     [](VbdGuest& g) {
         return g.put(BlockOp::write, 0, {{1000, 0, 7, 0}});
     }},
    {"RefBehindTheTable",
     [](VbdGuest& g) {
         return g.put(BlockOp::write, 0, {{0xffffffff, 0, 7, 0}});
     }},
    {"ReadIntoAReadOnlyGrant",
     [](VbdGuest& g) {
         g.domain.grant(VbdGuest::first_ref).flags |= base::grant_readonly;
         return g.put(BlockOp::read, 0, pages(0, 1));
     }},
    {"FlushWithSegments", [](VbdGuest& g) { return g.put(BlockOp::flush, 0, pages(0, 1)); }},
    {"Barrier", [](VbdGuest& g) { return g.put(BlockOp::write_barrier, 0, pages(0, 1)); }, w::block_unsupported},
    {"UnknownOperation", [](VbdGuest& g) { return g.put(BlockOp{77}, 0, pages(0, 1)); }, w::block_unsupported},
    {"IndirectNothing", [](VbdGuest& g) { return g.put_indirect(BlockOp::read, 0, {}); }},
    {"IndirectTooMany", [](VbdGuest& g) { return g.put_indirect(BlockOp::read, 0, pages(0, 257)); }},
    {"IndirectFlush", [](VbdGuest& g) { return g.put_indirect(BlockOp::flush, 0, pages(0, 1)); }, w::block_unsupported},
    {"IndirectIndirect", [](VbdGuest& g) { return g.put_indirect(BlockOp::indirect, 0, pages(0, 1)); },
     w::block_unsupported},
    {"IndirectBadSegment", [](VbdGuest& g) { return g.put_indirect(BlockOp::read, 0, {VbdGuest::segment(0, 7, 0)}); }},
    {"IndirectListNotGranted",
     [](VbdGuest& g) {
         g.domain.grant(VbdGuest::first_ref + 99).flags = 0;
         return g.put_indirect(BlockOp::read, 0, pages(0, 1), 99);
     }},
    {"DiscardNothing", [](VbdGuest& g) { return g.put_discard(0, 0); }},
    {"DiscardTooMuch", [](VbdGuest& g) { return g.put_discard(1, mib / 512); }},
    {"DiscardThatOverflows", [](VbdGuest& g) { return g.put_discard(8, ~0ULL); }},
    {"SecureDiscard", [](VbdGuest& g) { return g.put_discard(0, 8, 1); }, w::block_unsupported},
};
INSTANTIATE_TEST_SUITE_P(Requests, VbdRefuses, testing::ValuesIn(refused),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(VbdRefuses, AndServesTheNext) {
    for (const bool in_place : {true, false}) {
        VbdGuest guest;
        guest.domain.lane().set_in_place(in_place);
        guest.make();
        guest.connect();
        EXPECT_EQ(guest.finish(GetParam().put(guest)), GetParam().status);
        EXPECT_EQ(guest.counter("errors"), 1U);
        EXPECT_EQ(guest.device().stopped(), "");
        EXPECT_EQ(guest.ask(BlockOp::write, 0, pages(1, 1)), 0);
    }
}

TEST_P(Vbd, ReadOnlyMeansIt) {
    guest.write_disk(0, std::string(4096, 'x'));
    connect(DiskAccess::read_only);
    EXPECT_EQ(guest.control().flags, static_cast<std::uint32_t>(w::VbdFlag::read_only));
    EXPECT_EQ(guest.ask(BlockOp::write, 0, pages(0, 1)), w::block_error);
    EXPECT_EQ(guest.finish(guest.put_indirect(BlockOp::write, 0, pages(0, 1))), w::block_error);
    EXPECT_EQ(guest.finish(guest.put_discard(0, 8)), w::block_unsupported);
    EXPECT_EQ(guest.ask(BlockOp::read, 0, pages(1, 1)), 0);
    EXPECT_EQ(guest.text(1, 0, 4096), std::string(4096, 'x'));
}

TEST_P(Vbd, KeepsToLargeSectors) {
    auto disk = *noxs::open_disk(guest.path(), DiskAccess::read_write);
    disk.sector_size = 4096;
    guest.make_from(std::move(disk));
    guest.connect();
    EXPECT_EQ(guest.ask(BlockOp::read, 0, std::vector{VbdGuest::segment(0, 0, 3), VbdGuest::segment(0, 4, 7)}),
              w::block_error);
    EXPECT_EQ(guest.ask(BlockOp::read, 4, pages(0, 1)), w::block_error);
    EXPECT_EQ(guest.finish(guest.put_discard(8, 4)), w::block_error);
    EXPECT_EQ(guest.ask(BlockOp::read, 8, pages(0, 1)), 0);
}

// ---- what disks do

TEST_P(Vbd, TellsThatTheFileWasCut) {
    guest.write_disk(0, std::string(mib, 'x'));
    connect();
    std::filesystem::resize_file(guest.path(), 6144);
    testing::internal::CaptureStderr();
    EXPECT_EQ(guest.ask(BlockOp::read, 8, pages(0, 1)), w::block_error);
    EXPECT_EQ(guest.ask(BlockOp::read, 800, pages(0, 1)), w::block_error);
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr("domain 7: vbd 3: disk " + guest.path() + ": read of 8 sectors at 8: "));
    EXPECT_EQ(std::ranges::count(log, '\n'), 1) << "one line a minute";
    EXPECT_EQ(guest.counter("errors"), 2U);
    EXPECT_EQ(guest.ask(BlockOp::read, 0, pages(0, 1)), 0);
}

TEST_P(Vbd, TellsThatTheDiskIsFull) {
    VbdGuest small(8192);
    small.domain.lane().set_in_place(GetParam());
    auto disk = *noxs::open_disk(small.path(), DiskAccess::read_write);
    disk.sectors = 64;
    small.make_from(std::move(disk));
    small.connect();
    const test_support::FileSizeLimit limit(8192);
    EXPECT_EQ(small.ask(BlockOp::write, 32, pages(0, 1)), w::block_error);
    EXPECT_EQ(small.ask(BlockOp::write, 8, pages(0, 2)), w::block_error) << "half of it fits";
    EXPECT_EQ(small.ask(BlockOp::write, 8, pages(0, 1)), 0);
}

TEST_P(Vbd, TellsErrorsOfTheKernel) {
    connect();
    noxs::VbdSettings closed;
    closed.path = "gone";
    closed.sectors = 64;
    guest.drop();
    guest.make_from(std::move(closed), Origin::adopted);
    testing::internal::CaptureStderr();
    EXPECT_EQ(guest.ask(BlockOp::write, 0, pages(0, 1)), w::block_error);
    EXPECT_EQ(guest.ask(BlockOp::flush, 0, std::vector<w::BlockSegment>{}), w::block_error);
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("Bad file descriptor"));
}

TEST_P(Vbd, DiscardThatTheDiskDoesNotKnow) {
    auto disk = *noxs::open_disk(guest.path(), DiskAccess::read_write);
    disk.disk.reset(::open("/dev/full", O_RDWR | O_CLOEXEC));
    disk.flags |= static_cast<std::uint32_t>(w::VbdFlag::discard);
    guest.make_from(std::move(disk));
    guest.connect();
    EXPECT_NE(guest.finish(guest.put_discard(0, 8)), 0);
    EXPECT_EQ(guest.ask(BlockOp::write, 0, pages(0, 1)), w::block_error) << "ENOSPC";
}

// ---- crashes of the daemon

TEST_P(Vbd, DoesAgainWhatHasNoResponse) {
    connect();
    guest.fill(0, 'a');
    ASSERT_EQ(guest.ask(BlockOp::write, 0, pages(0, 1)), 0);
    guest.fill(1, 'b');
    guest.fill(2, 'c');
    guest.put(BlockOp::write, 8, pages(1, 1));
    guest.put(BlockOp::write, 16, pages(2, 1));
    guest.publish();
    guest.run();
    guest.drop();
    ASSERT_EQ(guest.answered(), 1U) << "taken, perhaps done, and not answered";
    guest.write_disk(4096, std::string(8192, '-'));

    guest.make(Origin::adopted);
    ASSERT_TRUE(guest.settle());
    EXPECT_EQ(guest.answered(), 3U);
    EXPECT_EQ(guest.response(1).id + guest.response(2).id, VbdGuest::id_of(1) + VbdGuest::id_of(2)) << "in any order";
    EXPECT_EQ(guest.read_disk(0, 12288), std::string(4096, 'a') + std::string(4096, 'b') + std::string(4096, 'c'));
    EXPECT_EQ(guest.ask(BlockOp::read, 0, pages(4, 1)), 0);
}

TEST_P(Vbd, ASlowRequestHoldsUpNoOther) {
    connect();
    guest.fill(0, 'a');
    guest.put(BlockOp::write, 0, pages(0, 1));
    guest.put(BlockOp::read, ~0ULL, pages(1, 1));
    guest.publish();
    guest.run();
    ASSERT_EQ(guest.answered(), 1U) << "the second one is refused at once";
    EXPECT_EQ(guest.response(0).id, VbdGuest::id_of(1));
    EXPECT_EQ(guest.response(0).status, w::block_error);
    guest.drop();
    guest.write_disk(0, std::string(4096, '-'));

    guest.make(Origin::adopted);
    ASSERT_TRUE(guest.settle());
    EXPECT_EQ(guest.answered(), 2U) << "the first one's place was taken, but not its note";
    EXPECT_EQ(guest.response(1).id, VbdGuest::id_of(0));
    EXPECT_EQ(guest.response(1).status, w::block_okay);
    EXPECT_EQ(guest.read_disk(0, 4096), std::string(4096, 'a'));
}

TEST_P(Vbd, PublishesWhatThePredecessorHadAnswered) {
    connect();
    guest.put(BlockOp::write, 0, pages(0, 1));
    guest.put(BlockOp::write, 8, pages(0, 1));
    guest.publish();
    guest.run();
    guest.drop();
    // Killed between the response and its publication.
    guest.ring().entries[0].response = {VbdGuest::id_of(1), BlockOp::write, 0, w::block_okay, w::block_answered | 1};
    guest.make(Origin::adopted);
    EXPECT_EQ(guest.answered(), 1U);
    ASSERT_TRUE(guest.settle());
    EXPECT_EQ(guest.answered(), 2U);
    EXPECT_EQ(guest.response(0).id, VbdGuest::id_of(1));
    EXPECT_EQ(guest.response(1).id, VbdGuest::id_of(0));
    EXPECT_EQ(guest.response(1).status, w::block_okay);
    EXPECT_EQ(guest.counter("writes"), 1U);
}

TEST_P(Vbd, StopsWhereNotesAndRingDoNotFit) {
    connect();
    guest.put(BlockOp::write, 0, pages(0, 1));
    guest.publish();
    guest.run();
    guest.drop();
    guest.notes().state |= std::uint64_t{0x80} << 32;
    guest.make(Origin::adopted);
    EXPECT_NE(guest.host.stopped.find("notes"), std::string::npos) << guest.host.stopped;
    EXPECT_EQ(guest.answered(), 0U);
}

TEST_P(Vbd, MarksOnlyCountAtATakeover) {
    connect();
    w::BlockEntry entry{};
    entry.response = {5, BlockOp::read, 0, w::block_okay, w::block_answered};
    guest.put(entry);
    guest.publish();
    ASSERT_TRUE(guest.settle());
    EXPECT_NE(guest.response(0).status, w::block_okay);
}

// ---- the handshake

TEST_P(Vbd, ClosesAndOpensAgain) {
    connect();
    guest.put(BlockOp::write, 0, pages(0, 1));
    guest.publish();
    guest.run();
    guest.say(w::State::closing);
    ASSERT_TRUE(guest.settle());
    guest.run();
    EXPECT_EQ(guest.control().header.backend_state, w::State::closed);
    EXPECT_EQ(guest.domain.lane().mapped(), 0U);
    guest.say(w::State::initialising);
    EXPECT_EQ(guest.control().header.backend_state, w::State::init_wait);
    guest.say(w::State::connected);
    EXPECT_EQ(guest.control().header.backend_state, w::State::connected);
}

TEST_P(Vbd, ClosedOnlyWhenNothingIsInFlight) {
    connect();
    guest.put(BlockOp::write, 0, pages(0, 1));
    guest.publish();
    guest.run();
    ASSERT_FALSE(guest.device().quiet());
    guest.say(w::State::closed);
    EXPECT_EQ(guest.control().header.backend_state, w::State::connected);
    ASSERT_TRUE(guest.settle());
    guest.run();
    EXPECT_EQ(guest.control().header.backend_state, w::State::closed);
}

TEST_P(Vbd, DetachIsAskedFor) {
    connect();
    guest.device().begin_close();
    EXPECT_EQ(guest.control().header.backend_state, w::State::closing);
    EXPECT_EQ(guest.ask(BlockOp::read, 0, pages(0, 1)), 0) << "served until the guest lets go";
    guest.say(w::State::closed);
    EXPECT_EQ(guest.control().header.backend_state, w::State::closed);
    EXPECT_EQ(guest.host.closed, 1U);
}

// ---- hostile frontends

TEST_P(Vbd, StopsARingOfAnotherOrder) {
    guest.make();
    guest.control().ring_order = 1;
    guest.control().ring_ref[0] = VbdGuest::ring_ref;
    guest.say(w::State::connected);
    EXPECT_THAT(guest.host.stopped, HasSubstr("ring of order 1"));
    EXPECT_EQ(guest.control().header.backend_state, w::State::closing);
}

TEST_P(Vbd, StopsARingThatIsNotGranted) {
    guest.make();
    guest.control().ring_ref[0] = 1000;
    guest.say(w::State::connected);
    EXPECT_NE(guest.host.stopped, "");
}

TEST_P(Vbd, StopsAnIndexThatRunsAway) {
    connect();
    guest.ring().header.req_prod = 33;
    guest.run();
    EXPECT_THAT(guest.host.stopped, HasSubstr("runs away"));
    EXPECT_EQ(guest.domain.lane().mapped(), 0U);
}

TEST_P(Vbd, StopsAnIndexThatGoesBack) {
    connect();
    ASSERT_EQ(guest.ask(BlockOp::read, 0, pages(0, 1)), 0);
    guest.ring().header.req_prod = 0;
    guest.run();
    EXPECT_THAT(guest.host.stopped, HasSubstr("runs away"));
}

TEST_P(Vbd, StopsARingOverfilledWhileItsRequestsAreInFlight) {
    connect();
    for (std::uint32_t n = 0; n < 32; ++n) {
        guest.put(BlockOp::write, 0, pages(0, 1));
    }
    guest.publish();
    guest.run();
    guest.ring().header.req_prod = 64;
    guest.run();
    EXPECT_THAT(guest.host.stopped, HasSubstr("runs away"));
    while (!guest.device().quiet()) {
        guest.reap();
    }
}

TEST_P(Vbd, DoesNotBelieveItsOwnHalfOfTheRing) {
    connect();
    guest.ring().header.rsp_prod = 17;
    guest.put(BlockOp::read, 0, pages(0, 1));
    guest.publish();
    ASSERT_TRUE(guest.settle());
    EXPECT_EQ(guest.answered(), 1U);
    EXPECT_EQ(guest.host.stopped, "");
}

TEST_P(Vbd, AdoptsARingWithImpossibleIndices) {
    connect();
    guest.drop();
    guest.ring().header.rsp_prod = 100;
    guest.make(Origin::adopted);
    guest.run();
    EXPECT_THAT(guest.host.stopped, HasSubstr("runs away"));
}

TEST_P(Vbd, BoundsATurn) {
    guest.drop();
    VbdGuest large(64 * mib);
    large.domain.lane().set_in_place(GetParam());
    large.make();
    large.connect();
    for (std::uint32_t n = 0; n < 32; ++n) {
        large.put_indirect(BlockOp::read, n * 2048ULL, pages(0, 256));
    }
    large.publish();
    EXPECT_EQ(large.device().run(noxs::Clock::now()).next, noxs::Turn::Next::more);
    EXPECT_EQ(large.counter("in_flight"), 4U);
    ASSERT_TRUE(large.settle());
    EXPECT_EQ(large.answered(), 32U);
}

}  // namespace
