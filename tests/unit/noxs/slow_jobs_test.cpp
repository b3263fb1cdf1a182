// SPDX-License-Identifier: Apache-2.0
#include "noxs/block/slow_jobs.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/held_block_io.hpp"

namespace noxs {
namespace {

using Kind = BlockJob::Kind;

struct SlowJobsTest : testing::Test, BlockOwner {
    void on_done(BlockJob& job) override { done.emplace_back(&job - jobs, job.error); }
    BlockJob& start(unsigned number, Kind kind, std::uint64_t offset = 0, std::uint64_t size = 0) {
        auto& job = jobs[number];
        job.kind = kind;
        job.fd = 9;
        job.offset = offset;
        job.size = size;
        job.owner = this;
        slow.start(job);
        return job;
    }
    void end(std::size_t number, int error = 0) {
        io.end(number, error);
        io.reap();
    }

    using Done = std::vector<std::pair<std::ptrdiff_t, int>>;
    test_support::HeldBlockIo io;
    SlowJobs slow{io};
    BlockJob jobs[8];
    Done done;
};

constexpr std::uint64_t step = SlowJobs::discard_step;

TEST_F(SlowJobsTest, AreTwoAtATime) {
    for (unsigned number = 0; number < 4; ++number) {
        start(number, Kind::discard, number * 4096, 4096);
    }
    ASSERT_EQ(io.jobs.size(), 2U);
    EXPECT_EQ(io.jobs[0]->fd, 9);
    EXPECT_EQ(io.jobs[1]->offset, 4096U);
    end(1);
    EXPECT_EQ(done, (Done{{1, 0}}));
    ASSERT_EQ(io.jobs.size(), 2U);
    EXPECT_EQ(io.jobs[1]->offset, 8192U) << "the next one";
    end(0);
    end(0);
    end(0);
    EXPECT_EQ(done, (Done{{1, 0}, {0, 0}, {2, 0}, {3, 0}}));
    EXPECT_TRUE(io.jobs.empty());
}

TEST_F(SlowJobsTest, FlushesThatWaitShareOne) {
    start(0, Kind::flush);
    start(1, Kind::discard, 0, 4096);
    for (unsigned number = 2; number < 8; ++number) {
        start(number, Kind::flush);
    }
    ASSERT_EQ(io.jobs.size(), 2U);
    end(0);
    EXPECT_EQ(done, (Done{{0, 0}})) << "it began before the others were asked for";
    ASSERT_EQ(io.jobs.size(), 2U);
    EXPECT_EQ(io.jobs[1]->kind, Kind::flush);
    end(1, EIO);
    EXPECT_EQ(done, (Done{{0, 0}, {2, EIO}, {3, EIO}, {4, EIO}, {5, EIO}, {6, EIO}, {7, EIO}}));
    EXPECT_EQ(io.jobs.size(), 1U);
}

TEST_F(SlowJobsTest, LargeDiscardsGoInStepsAndTakeTurns) {
    start(0, Kind::discard, 4096, 2 * step + 512);
    start(1, Kind::discard, 0, 512);
    start(2, Kind::flush);
    EXPECT_EQ(io.jobs[0]->size, step);
    end(0);
    EXPECT_TRUE(done.empty());
    ASSERT_EQ(io.jobs.size(), 2U);
    EXPECT_EQ(io.jobs[1]->kind, Kind::flush) << "the rest of it waits behind the others";
    end(1);
    EXPECT_EQ(io.jobs[1]->offset, 4096 + step);
    EXPECT_EQ(io.jobs[1]->size, step);
    end(1);
    EXPECT_EQ(io.jobs[1]->offset, 4096 + 2 * step);
    EXPECT_EQ(io.jobs[1]->size, 512U);
    end(1);
    EXPECT_EQ(done, (Done{{2, 0}, {0, 0}}));
}

TEST_F(SlowJobsTest, AStepThatFailsEndsADiscard) {
    start(0, Kind::discard, 0, 3 * step);
    end(0);
    end(0, EOPNOTSUPP);
    EXPECT_EQ(done, (Done{{0, EOPNOTSUPP}}));
    EXPECT_TRUE(io.jobs.empty());
    start(0, Kind::discard, 0, 512);
    end(0);
    EXPECT_EQ(done.back(), Done::value_type(0, 0)) << "nothing is left of the error";
}

TEST_F(SlowJobsTest, CancelledOnesThatWaitAreOverAtOnce) {
    for (unsigned number = 0; number < 4; ++number) {
        start(number, Kind::discard, 0, 4096);
    }
    slow.cancel();
    EXPECT_EQ(done, (Done{{2, ECANCELED}, {3, ECANCELED}}));
    EXPECT_EQ(io.jobs.size(), 2U) << "the kernel has them";
    end(0);
    end(0);
    EXPECT_EQ(done.size(), 4U);
    EXPECT_TRUE(io.jobs.empty());
}

TEST_F(SlowJobsTest, ACancelledDiscardTakesNoFurtherStep) {
    start(0, Kind::discard, 0, 100 * step);
    slow.cancel();
    end(0);
    EXPECT_EQ(done, (Done{{0, ECANCELED}}));
    EXPECT_TRUE(io.jobs.empty());
    start(1, Kind::discard, 0, 2 * step);
    end(0);
    EXPECT_EQ(io.jobs.size(), 1U) << "a later one does";
}

TEST_F(SlowJobsTest, WhatTheKernelDoesNotTakeFails) {
    io.full = true;
    start(0, Kind::flush);
    start(1, Kind::discard, 0, 4096);
    EXPECT_EQ(done, (Done{{0, EAGAIN}, {1, EAGAIN}}));
    io.full = false;
    start(2, Kind::flush);
    end(0);
    EXPECT_EQ(done.back(), Done::value_type(2, 0));
}

}  // namespace
}  // namespace noxs
