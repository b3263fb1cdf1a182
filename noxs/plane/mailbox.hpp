// SPDX-License-Identifier: Apache-2.0
// What the toolstack's thread and the plane's thread say to each other.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace noxs {

/// Things on their way from some threads to one. Putting one costs a lock that is held for a push.
template <class Thing>
class Mailbox {
 public:
    enum class Wake : std::uint8_t { later, now };  ///< later: the reader looks when something else wakes it

    static base::Result<Mailbox> open() {
        base::Fd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!bell) {
            return base::fail_errno(errno, "eventfd");
        }
        return Mailbox(std::move(bell));
    }
    Mailbox(Mailbox&& other) noexcept : bell_(std::move(other.bell_)) {}

    void put(Thing thing, Wake wake) {
        {
            const std::lock_guard lock(mutex_);
            things_.push_back(std::move(thing));
        }
        if (wake == Wake::now) {
            const std::uint64_t one = 1;
            static_cast<void>(!::write(bell_.get(), &one, sizeof one));  // full: it is readable anyway
        }
    }
    /// All that is there, in order.
    std::vector<Thing> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(things_, {});
    }
    /// Readable after a `put` with Wake::now, until `hush`.
    int fd() const { return bell_.get(); }
    void hush() const {
        std::uint64_t count = 0;
        static_cast<void>(!::read(bell_.get(), &count, sizeof count));
    }

 private:
    explicit Mailbox(base::Fd bell) : bell_(std::move(bell)) {}

    base::Fd bell_;
    std::mutex mutex_;
    std::vector<Thing> things_;
};

}  // namespace noxs
