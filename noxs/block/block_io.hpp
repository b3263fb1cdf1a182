// SPDX-License-Identifier: Apache-2.0
// The one way of all disks to the kernel: an io_uring, used by the data plane's thread alone.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "noxs/block/bounce_pool.hpp"

namespace noxs {

using base::Result;

struct BlockJob;

/// Whoever starts jobs.
class BlockOwner {
 public:
    virtual ~BlockOwner() = default;
    /// The job is over, the kernel touches nothing of it any more. Called by `BlockIo::reap`. Hot.
    virtual void on_done(BlockJob& job) = 0;
};

/// One request to a disk. Stays where it is, with all that it points to, from `start` to `on_done`.
struct BlockJob {
    enum class Kind : std::uint8_t { read, write, flush, discard };

    Kind kind{Kind::read};
    int fd{-1};
    std::uint64_t offset{0};     ///< bytes
    std::uint64_t size{0};       ///< bytes: of all pieces, or of the discard
    std::vector<iovec> pieces;   ///< read, write. Used up while the job goes on
    BlockOwner* owner{nullptr};  ///< outlives the job
    int error{0};                ///< at its end: 0, or an errno

    // The way so far; `start` resets it.
    std::uint64_t done{0};
    std::size_t first_piece{0};
    unsigned retries{0};
};

class BlockIo {
 public:
    /// An io_uring. Error unsupported where the host has or permits none.
    static Result<std::unique_ptr<BlockIo>> open();
    BlockIo() = default;
    BlockIo(const BlockIo&) = delete;
    BlockIo& operator=(const BlockIo&) = delete;
    /// No job is on its way.
    virtual ~BlockIo() = default;

    /// Readable while completions wait. Level-triggered.
    virtual int fd() const = 0;

    /// Queues a job for `submit`. False: the kernel takes no more; `on_done` will not be called. Hot.
    virtual bool start(BlockJob& job) = 0;
    /// Hands over what was queued since the last call. False: the kernel has not taken all of it; call again soon. Hot.
    virtual bool submit() = 0;
    /// Tells owners of jobs that are over, and queues what is left of those that are not. Bounded. Returns whether there
    /// was one. Hot.
    virtual bool reap() = 0;

    /// Memory for the data of guests whose pages can't be used in place.
    BouncePool& bounce() { return bounce_; }

 private:
    BouncePool bounce_;
};

}  // namespace noxs
