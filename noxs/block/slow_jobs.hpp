// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "noxs/block/block_io.hpp"

namespace noxs {

/// Flushes and discards of one disk. Each keeps a thread of the kernel for as long as the disk pleases, and these threads
/// are shared by all disks: so few are handed over at a time, and in pieces. The others wait here.
class SlowJobs final : private BlockOwner {
 public:
    static constexpr unsigned at_a_time = 2;
    static constexpr std::uint64_t discard_step = 1 << 30;  ///< bytes

    explicit SlowJobs(BlockIo& io) : io_(&io) {}

    /// As BlockIo::start; `on_done` may come at once, when the kernel takes no more.
    void start(BlockJob& job);
    /// Those that were not handed over yet are done, with ECANCELED; those that were are when the kernel has done its piece.
    void cancel();

 private:
    struct Worker : BlockJob {
        std::vector<BlockJob*> jobs;  ///< that it works for; none: it is free
        bool cancelled{false};        ///< what is left of its job is not wanted any more
    };

    void on_done(BlockJob& job) override;
    void hand_over();
    void employ(Worker& worker);
    void finish(Worker& worker, int error);

    BlockIo* io_;
    std::deque<BlockJob*> waiting_;
    std::array<Worker, at_a_time> workers_;
};

}  // namespace noxs
