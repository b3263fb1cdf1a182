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
constexpr unsigned kernel_workers = 256;

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

class Uring final : public BlockIo {
 public:
    ~Uring() override {
        if (made_) {
            io_uring_queue_exit(&ring_);
        }
    }
    /// 0 or a negative errno.
    int make(unsigned flags) {
        io_uring_params params{};
        params.flags = flags | IORING_SETUP_CQSIZE;
        params.cq_entries = completion_entries;
        const int result = io_uring_queue_init_params(queue_entries, &ring_, &params);
        made_ = result == 0;
        return result;
    }
    /// What may sleep in the kernel has a thread of its own there. As many as the processors would allow by default are few
    /// for all disks together. Linux 5.15; without it the default stays.
    void allow_workers() {
        unsigned limits[2] = {kernel_workers, 0};
        static_cast<void>(io_uring_register_iowq_max_workers(&ring_, limits));
    }

    int fd() const override { return ring_.ring_fd; }
    bool start(BlockJob& job) override;
    bool submit() override;
    bool reap() override;

 private:
    bool queue(BlockJob& job);
    static bool goes_on(BlockJob& job, std::int32_t result);

    io_uring ring_{};
    bool made_{false};
};

bool Uring::start(BlockJob& job) {
    job.done = 0;
    job.first_piece = 0;
    job.retries = 0;
    job.error = 0;
    return queue(job);
}

bool Uring::queue(BlockJob& job) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
        submit();
        sqe = io_uring_get_sqe(&ring_);
    }
    if (sqe == nullptr) {
        return false;
    }
    prepare(*sqe, job);
    return true;
}

/// What the kernel does not take now stays queued: it is short of memory, or of room for completions.
bool Uring::submit() {
    if (io_uring_sq_ready(&ring_) == 0) {
        return true;
    }
    static_cast<void>(io_uring_submit(&ring_));
    return io_uring_sq_ready(&ring_) == 0;
}

/// Whether there is more to do for a job after `result` of the kernel. A short read or write is not an error, the rest
/// of it will say what is wrong.
bool Uring::goes_on(BlockJob& job, std::int32_t result) {
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

bool Uring::reap() {
    std::array<io_uring_cqe*, reaped_at_once> found;
    const unsigned count = io_uring_peek_batch_cqe(&ring_, found.data(), found.size());
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
    io_uring_cq_advance(&ring_, count);
    return count > 0;
}

}  // namespace

Result<std::unique_ptr<BlockIo>> BlockIo::open() {
    auto ring = std::make_unique<Uring>();
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
    ring->allow_workers();
    return ring;
}

}  // namespace noxs
