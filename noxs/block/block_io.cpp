// SPDX-License-Identifier: Apache-2.0
#include "noxs/block/block_io.hpp"

#include <liburing.h>
#include <linux/falloc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace noxs {

namespace {

constexpr unsigned queue_entries = 256;        // between two submits; more make a submit of their own
constexpr unsigned completion_entries = 4096;  // the kernel keeps what does not fit
constexpr unsigned reaped_at_once = 64;
constexpr unsigned max_retries = 16;

/// What is left of the pieces after `bytes` more were moved.
void advance(BlockJob& job, std::uint64_t bytes) {
    job.done += bytes;
    job.offset += bytes;
    while (bytes > 0) {
        iovec& piece = job.pieces[job.first_piece];
        if (bytes < piece.iov_len) {
            piece.iov_base = static_cast<std::byte*>(piece.iov_base) + bytes;
            piece.iov_len -= bytes;
            return;
        }
        bytes -= piece.iov_len;
        ++job.first_piece;
    }
}

bool moves_data(const BlockJob& job) {
    return job.kind == BlockJob::Kind::read || job.kind == BlockJob::Kind::write;
}

void prepare(io_uring_sqe& sqe, BlockJob& job) {
    auto* pieces = job.pieces.data() + job.first_piece;
    const auto count = static_cast<unsigned>(job.pieces.size() - job.first_piece);
    switch (job.kind) {
        case BlockJob::Kind::read: io_uring_prep_readv(&sqe, job.fd, pieces, count, job.offset); break;
        case BlockJob::Kind::write: io_uring_prep_writev(&sqe, job.fd, pieces, count, job.offset); break;
        case BlockJob::Kind::flush: io_uring_prep_fsync(&sqe, job.fd, IORING_FSYNC_DATASYNC); break;
        case BlockJob::Kind::discard:
            io_uring_prep_fallocate(&sqe, job.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                    static_cast<off_t>(job.offset), static_cast<off_t>(job.size));
            break;
    }
    io_uring_sqe_set_data(&sqe, &job);
}

}  // namespace

struct BlockIo::Ring {
    io_uring uring{};
    bool made{false};

    ~Ring() {
        if (made) {
            io_uring_queue_exit(&uring);
        }
    }
    int make(unsigned flags) {
        io_uring_params params{};
        params.flags = flags | IORING_SETUP_CQSIZE;
        params.cq_entries = completion_entries;
        const int made_or_error = io_uring_queue_init_params(queue_entries, &uring, &params);
        made = made_or_error == 0;
        return made_or_error;
    }
};

BlockIo::BlockIo(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}
BlockIo::~BlockIo() = default;

Result<std::unique_ptr<BlockIo>> BlockIo::open() {
    auto ring = std::make_unique<Ring>();
    // The thread hears of completions when it enters the kernel, not by an interrupt of what it does (Linux 5.19).
    // IORING_SETUP_DEFER_TASKRUN would be better still, but its descriptor does not wake who polls it.
    int made = ring->make(IORING_SETUP_COOP_TASKRUN);
    if (made == -EINVAL) {
        made = ring->make(0);
    }
    if (made == -ENOSYS || made == -EPERM) {
        return base::fail(
            base::Code::unsupported,
            "disks need io_uring, which this host does not permit (sysctl kernel.io_uring_disabled, or the "
            "seccomp filter of a container)");
    }
    if (made != 0) {
        return base::fail_errno(-made, "io_uring");
    }
    return std::unique_ptr<BlockIo>(new BlockIo(std::move(ring)));
}

int BlockIo::fd() const {
    return ring_->uring.ring_fd;
}

bool BlockIo::start(BlockJob& job) {
    job.done = 0;
    job.first_piece = 0;
    job.retries = 0;
    job.error = 0;
    return queue(job);
}

bool BlockIo::queue(BlockJob& job) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_->uring);
    if (sqe == nullptr) {
        submit();
        sqe = io_uring_get_sqe(&ring_->uring);
    }
    if (sqe == nullptr) {
        return false;
    }
    prepare(*sqe, job);
    return true;
}

void BlockIo::submit() {
    // What it does not take now stays queued: it is short of memory or of room for completions, and the next round tries
    // again.
    if (io_uring_sq_ready(&ring_->uring) > 0) {
        static_cast<void>(io_uring_submit(&ring_->uring));
    }
}

/// Whether there is more to do for a job after `result` of the kernel. A short read or write is not an error, the rest
/// of it will say what is wrong.
bool BlockIo::goes_on(BlockJob& job, std::int32_t result) {
    if (result == -EINTR || result == -EAGAIN) {
        if (++job.retries > max_retries) {
            job.error = -result;
            return false;
        }
        return true;
    }
    if (result < 0) {
        job.error = -result;
        return false;
    }
    if (!moves_data(job)) {
        return false;
    }
    const auto left = job.size - job.done;
    advance(job, std::min<std::uint64_t>(static_cast<std::uint64_t>(result), left));
    if (job.done == job.size) {
        return false;
    }
    if (result == 0) {
        // The end of the file, inside the disk: somebody has cut it.
        job.error = job.kind == BlockJob::Kind::read ? ENODATA : ENOSPC;
        return false;
    }
    return true;
}

bool BlockIo::reap() {
    std::array<io_uring_cqe*, reaped_at_once> found;
    const unsigned count = io_uring_peek_batch_cqe(&ring_->uring, found.data(), found.size());
    for (unsigned i = 0; i < count; ++i) {
        auto& job = *static_cast<BlockJob*>(io_uring_cqe_get_data(found[i]));
        const std::int32_t result = found[i]->res;
        if (goes_on(job, result)) {
            if (queue(job)) {
                continue;
            }
            job.error = EAGAIN;
        }
        job.owner->on_done(job);
    }
    io_uring_cq_advance(&ring_->uring, count);
    return count > 0;
}

}  // namespace noxs
