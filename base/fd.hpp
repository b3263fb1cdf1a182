// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace base {

/// Owns a file descriptor; closes it when it goes. Move-only.
class Fd {
 public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset(std::exchange(other.fd_, -1));
        }
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = fd;
    }

 private:
    int fd_{-1};
};

/// Makes the descriptor table large enough for `count` descriptors, as far as the limit allows. Call it before the first
/// thread or CLONE_FILES child: a table that grows while it is shared waits for an RCU grace period, which is
/// milliseconds in a launch (Linux, fs/file.c: expand_fdtable).
inline void grow_descriptor_table(unsigned count) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 0) {
        const auto highest = std::min<rlim_t>(count, limit.rlim_cur) - 1;
        const Fd grown(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(highest)));
    }
}

}  // namespace base
