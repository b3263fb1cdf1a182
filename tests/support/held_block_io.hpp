// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "noxs/block/block_io.hpp"

namespace test_support {

/// Disks that do nothing until they are told to: each request stays where it is until the test ends it.
class HeldBlockIo final : public noxs::BlockIo {
 public:
    int fd() const override { return bell_.get(); }
    bool start(noxs::BlockJob& job) override {
        if (full) {
            return false;
        }
        jobs.push_back(&job);
        return true;
    }
    bool submit() override {
        ++submits;
        if (submits == end_at_submit) {
            end_all();
        }
        return !stuck;
    }
    bool reap() override {
        std::uint64_t rung = 0;
        static_cast<void>(!::read(bell_.get(), &rung, sizeof rung));
        const auto over = std::exchange(over_, {});
        for (auto* job : over) {
            job->owner->on_done(*job);
        }
        return !over.empty();
    }

    /// The disk has done what it was given `number`-th of what it has; `reap` tells.
    void end(std::size_t number, int error = 0) {
        jobs[number]->error = error;
        over_.push_back(jobs[number]);
        jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(number));
        const std::uint64_t one = 1;
        static_cast<void>(!::write(bell_.get(), &one, sizeof one));
    }
    void end_all() {
        while (!jobs.empty()) {
            end(0);
        }
    }

    std::vector<noxs::BlockJob*> jobs;  ///< that the disk has
    bool full{false};                   ///< takes no more
    bool stuck{false};                  ///< does not take all at `submit`
    unsigned submits{0};
    unsigned end_at_submit{0};  ///< the one that finds all jobs done

 private:
    base::Fd bell_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::vector<noxs::BlockJob*> over_;
};

}  // namespace test_support
