// SPDX-License-Identifier: Apache-2.0
#include "noxs/block/slow_jobs.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace noxs {

void SlowJobs::start(BlockJob& job) {
    job.done = 0;
    job.error = 0;
    waiting_.push_back(&job);
    hand_over();
}

void SlowJobs::cancel() {
    for (auto& worker : workers_) {
        worker.cancelled = true;
    }
    for (BlockJob* job : std::exchange(waiting_, {})) {
        job->error = ECANCELED;
        job->owner->on_done(*job);
    }
}

void SlowJobs::hand_over() {
    for (auto& worker : workers_) {
        while (worker.jobs.empty() && !waiting_.empty()) {
            employ(worker);
        }
    }
}

/// One flush that begins now is as good for every flush that waits: what they are to cover is written already.
void SlowJobs::employ(Worker& worker) {
    const BlockJob& first = *waiting_.front();
    worker.kind = first.kind;
    worker.fd = first.fd;
    worker.offset = first.offset + first.done;
    worker.size = first.size - first.done;
    worker.owner = this;
    worker.cancelled = false;
    if (first.kind == BlockJob::Kind::flush) {
        const auto flushes = [](const BlockJob* job) { return job->kind == BlockJob::Kind::flush; };
        std::ranges::copy_if(waiting_, std::back_inserter(worker.jobs), flushes);
        std::erase_if(waiting_, flushes);
    } else {
        worker.size = std::min(worker.size, discard_step);
        worker.jobs.push_back(waiting_.front());
        waiting_.pop_front();
    }
    if (!io_->start(worker)) {
        finish(worker, EAGAIN);
    }
}

void SlowJobs::finish(Worker& worker, int error) {
    for (BlockJob* job : std::exchange(worker.jobs, {})) {
        job->error = error;
        job->owner->on_done(*job);
    }
}

/// A discard of more than a step goes to the end of the queue.
void SlowJobs::on_done(BlockJob& done) {
    auto& worker = static_cast<Worker&>(done);
    BlockJob& job = *worker.jobs.front();
    if (worker.kind == BlockJob::Kind::discard && worker.error == 0) {
        job.done += worker.size;
        if (job.done < job.size && worker.cancelled) {
            worker.error = ECANCELED;
        } else if (job.done < job.size) {
            waiting_.push_back(&job);
            worker.jobs.clear();
        }
    }
    finish(worker, worker.error);
    hand_over();
}

}  // namespace noxs
