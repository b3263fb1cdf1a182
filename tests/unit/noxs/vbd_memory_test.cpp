// SPDX-License-Identifier: Apache-2.0
// What disks of guests whose pages can't be used in place do when buffers are short.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/log.hpp"
#include "tests/support/held_block_io.hpp"
#include "tests/unit/noxs/vbd_guest.hpp"

namespace {

using noxs::BouncePool;
using test_support::HeldBlockIo;
using test_support::VbdGuest;
namespace w = noxs::wire;
using w::BlockOp;

/// What other guests have taken.
class Others {
 public:
    explicit Others(BouncePool& pool) : pool_(&pool) {}
    Others(const Others&) = delete;
    Others& operator=(const Others&) = delete;
    ~Others() { give_back(); }
    void take(std::size_t size) { taken_.push_back(pool_->take(size)); }
    /// All but so many of the largest buffers.
    void leave(std::size_t buffers) {
        for (std::size_t i = buffers; i < BouncePool::budget / BouncePool::largest; ++i) {
            take(BouncePool::largest);
        }
    }
    void give_back() {
        for (auto& buffer : std::exchange(taken_, {})) {
            pool_->give_back(std::move(buffer));
        }
    }

 private:
    BouncePool* pool_;
    std::vector<BouncePool::Buffer> taken_;
};

TEST(BouncePool, HasRoomUpToItsBudget) {
    BouncePool pool;
    Others others(pool);
    others.leave(1);
    EXPECT_TRUE(pool.has_room());
    auto last = pool.take(1);
    EXPECT_FALSE(pool.has_room()) << "not for one of the largest";
    pool.give_back(std::move(last));
    EXPECT_TRUE(pool.has_room());
    pool.give_back({});
    others.take(BouncePool::largest);
    EXPECT_FALSE(pool.has_room());
    others.give_back();
    others.leave(1);
    EXPECT_TRUE(pool.has_room()) << "those that are kept count as free";
}

struct VbdMemory : testing::Test {
    void SetUp() override {
        base::set_log_level(base::Level::error);
        guest.domain.lane().set_in_place(false);
        guest.make();
        guest.connect();
    }
    void TearDown() override {
        io->end_all();
        base::set_log_level(base::Level::info);
    }
    void put(unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            guest.put(BlockOp::read, 0, {VbdGuest::segment(i)});
        }
        guest.publish();
    }
    void end(unsigned number) {
        io->end(number);
        guest.reap();
    }

    HeldBlockIo* io = new HeldBlockIo;  // the guest's
    VbdGuest guest{1 << 20, std::unique_ptr<noxs::BlockIo>(io)};
    Others others{io->bounce()};
};

TEST_F(VbdMemory, ADiskWithoutRoomGoesOnWhenItsOwnBuffersComeBack) {
    others.leave(0);
    put(4);
    guest.run();
    EXPECT_EQ(io->jobs.size(), 1U) << "who has none may always take one";
    EXPECT_EQ(guest.device().run({}).next, noxs::Turn::Next::idle) << "it does not spin";
    EXPECT_TRUE(guest.device().arm()) << "and may be left alone";
    for (unsigned answered = 1; answered <= 4; ++answered) {
        const unsigned woken = guest.host.woken;
        end(0);
        EXPECT_EQ(guest.host.woken, woken + 1);
        guest.run();
        EXPECT_EQ(guest.answered(), answered);
        EXPECT_EQ(io->jobs.size(), answered < 4 ? 1U : 0U);
    }
    EXPECT_TRUE(guest.device().arm());
    EXPECT_EQ(guest.ring().header.req_event, 5U) << "it listens again";
    EXPECT_EQ(guest.counter("errors"), 0U);
}

TEST_F(VbdMemory, TakesAsManyAsThereIsRoomFor) {
    others.leave(2);
    put(32);
    guest.run();
    EXPECT_EQ(io->jobs.size(), 17U) << "of 64 KiB each, until less than the largest is left";
    others.give_back();
    end(0);
    guest.run();
    EXPECT_EQ(io->jobs.size(), 31U);
}

TEST_F(VbdMemory, PagesInPlaceNeedNone) {
    others.leave(0);
    guest.domain.lane().set_in_place(true);
    put(32);
    guest.run();
    EXPECT_EQ(io->jobs.size(), 32U);
}

TEST_F(VbdMemory, ARequestFailsWhenTheHostHasNoneLeft) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the allocators of sanitizers end the process where memory is short";
#else
    const std::vector segments(20, VbdGuest::segment(0));  // more than a small buffer
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
    const rlimit none{1 << 20, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &none), 0);
    std::vector<BouncePool::Buffer> taken;
    taken.reserve(256);
    do {
        taken.push_back(io->bounce().take(BouncePool::largest));
    } while (taken.back().memory && taken.size() < 256);
    const bool none_left = !taken.back().memory;
    guest.put_indirect(BlockOp::write, 0, segments);
    guest.publish();
    guest.run();
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
    ASSERT_TRUE(none_left);
    EXPECT_EQ(guest.answered(), 1U);
    EXPECT_EQ(guest.response(0).status, w::block_error);
    for (auto& buffer : taken) {
        io->bounce().give_back(std::move(buffer));
    }
    guest.put_indirect(BlockOp::write, 0, segments);
    guest.publish();
    guest.run();
    ASSERT_EQ(io->jobs.size(), 1U) << "others are served when there is memory again";
    end(0);
    guest.run();
    EXPECT_EQ(guest.response(1).status, w::block_okay);
#endif
}

}  // namespace
