// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/loader.hpp"

#include <utility>

namespace split {

std::vector<Loader::Done> Loader::stop() {
    std::deque<Job> untouched;
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
        untouched.swap(jobs_);
    }
    wake_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
    auto all = take();
    for (auto& job : untouched) {
        all.push_back({std::move(job.domain), base::fail(base::Code::unavailable, "the daemon ends"), {}});
    }
    pending_ = 0;
    return all;
}

void Loader::submit(Job job) {
    if (pending_++ == 0) {
        look_at_ = Clock::now() + interval;
    }
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    if (!thread_.joinable()) {
        thread_ = std::thread([this] { run(); });
    }
    wake_.notify_one();
}

std::vector<Loader::Done> Loader::take() {
    std::vector<Done> done;
    {
        const std::lock_guard lock(mutex_);
        done.swap(done_);
    }
    pending_ -= done.size();
    look_at_ = Clock::now() + interval;
    return done;
}

void Loader::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
        if (stop_) {
            return;
        }
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        const auto begin = Clock::now();
        const std::span<const std::byte> ramdisk =
            job.ramdisk ? std::span<const std::byte>(*job.ramdisk) : std::span<const std::byte>();
        auto result = job.domain->load(job.image, {.cmdline = job.cmdline, .ramdisk = ramdisk});
        Done done{std::move(job.domain), std::move(result), Clock::now() - begin};
        job = {};
        lock.lock();
        done_.push_back(std::move(done));
    }
}

}  // namespace split
