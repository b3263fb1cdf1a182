// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace noxs {

/// What a descriptor of the plane's epoll is.
enum class Source : std::uint8_t { commands, lane, uplink, blocks };

/// The descriptors that the plane sleeps on. `watch` and `unwatch` from any thread.
class Epoll {
 public:
    struct Event {
        Source source;
        std::uint32_t id;
    };

    static base::Result<Epoll> open() {
        Epoll made;
        made.fd_.reset(::epoll_create1(EPOLL_CLOEXEC));
        if (!made.fd_) {
            return base::fail_errno(errno, "epoll_create1");
        }
        return made;
    }
    /// `events`: EPOLLIN, or with EPOLLET.
    base::Result<void> watch(int fd, std::uint32_t events, Event event) const {
        epoll_event wanted{};
        wanted.events = events;
        wanted.data.u64 = std::uint64_t{static_cast<std::uint8_t>(event.source)} << 32 | event.id;
        if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &wanted) != 0) {
            return base::fail_errno(errno, "epoll_ctl");
        }
        return {};
    }
    void unwatch(int fd) const { ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr); }

    /// Sleeps for up to `timeout_ms` (-1: without end), calls `each(Event)` for what is ready, of thousands of descriptors
    /// too. A signal counts as none.
    template <class Each>
    void wait(int timeout_ms, Each each) const {
        std::array<epoll_event, 64> ready;
        for (unsigned batches = 0; batches < most_batches; ++batches) {
            const int count = ::epoll_wait(fd_.get(), ready.data(), ready.size(), batches == 0 ? timeout_ms : 0);
            for (int i = 0; i < count; ++i) {
                const std::uint64_t data = ready[static_cast<std::size_t>(i)].data.u64;
                each(Event{static_cast<Source>(data >> 32), static_cast<std::uint32_t>(data)});
            }
            if (count < static_cast<int>(ready.size())) {
                return;
            }
        }
    }

 private:
    static constexpr unsigned most_batches = 64;  // guests that ring on and on hold up nobody

    base::Fd fd_;
};

}  // namespace noxs
