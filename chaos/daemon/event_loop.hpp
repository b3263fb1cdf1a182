// SPDX-License-Identifier: Apache-2.0
// The daemon's event loop: Boost.Asio, kept behind this small interface so that one file alone compiles it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/result.hpp"

namespace chaos {

using Clock = std::chrono::steady_clock;

/// Watches a descriptor that somebody else owns and keeps open as long as the watch lives. One-shot: each call asks
/// for one notice. Letting it go cancels it; no handler is called afterwards.
class Watch {
 public:
    virtual ~Watch() = default;
    virtual void when_readable(std::function<void()> handler) = 0;
    virtual void when_writable(std::function<void()> handler) = 0;
    /// The peer is gone altogether; having sent its last byte is not enough.
    virtual void when_hung_up(std::function<void()> handler) = 0;
};

/// A point in time at which its handler is called.
class Timer {
 public:
    virtual ~Timer() = default;
    /// Replaces the time that was set before.
    virtual void arm(Clock::time_point when) = 0;
};

/// One thread. Handlers are called from run() only, one at a time.
class EventLoop {
 public:
    static base::Result<std::unique_ptr<EventLoop>> open();
    virtual ~EventLoop() = default;

    virtual base::Result<std::unique_ptr<Watch>> watch(int fd) = 0;
    virtual std::unique_ptr<Timer> timer(std::function<void()> handler) = 0;
    /// Calls `work` after what is ready now.
    virtual void post(std::function<void()> work) = 0;
    /// Until stop().
    virtual void run() = 0;
    virtual void stop() = 0;
};

}  // namespace chaos
