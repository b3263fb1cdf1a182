// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "split-toolstack/image_cache.hpp"
#include "split-toolstack/toolstack.hpp"

namespace split {

/// Loads kernels that others built, one after the other, on a thread of its own: unpacking a Linux kernel takes a
/// hundred times as long as a launch of ours, and launches of ours do not wait for it.
class Loader {
 public:
    /// `interval`: how often the main thread looks for what is done while something is under way.
    static constexpr auto interval = std::chrono::milliseconds(2);

    struct Job {
        std::unique_ptr<hypervisor::Domain> domain;  ///< belongs to the loader until it is done
        std::shared_ptr<const LoadedImage> kernel;   ///< what `image` looks into
        hypervisor::Image image;
        std::shared_ptr<const ImageCache::Ramdisk> ramdisk;  ///< null: none
        std::string cmdline;
    };
    struct Done {
        std::unique_ptr<hypervisor::Domain> domain;
        Result<void> result;
        Clock::duration took;
    };

    Loader() = default;
    ~Loader() { stop(); }

    // ---- main thread

    void submit(Job job);
    /// When `take` may have something; nothing while nothing is under way.
    std::optional<Clock::time_point> deadline() const { return pending_ == 0 ? std::nullopt : std::optional(look_at_); }
    /// What is done since the last call.
    std::vector<Done> take();
    /// Waits for the load that is under way, and gives back every domain that it has; those that it has not got to are
    /// as they were.
    std::vector<Done> stop();

 private:
    void run();

    std::size_t pending_{0};       // main: under way, or done and not yet taken
    Clock::time_point look_at_{};  // main
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> jobs_;    // guarded
    std::vector<Done> done_;  // guarded
    bool stop_{false};        // guarded
    std::thread thread_;      // made for the first job
};

}  // namespace split
