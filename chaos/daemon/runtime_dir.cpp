// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/runtime_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "chaos/rpc/unix_address.hpp"

namespace chaos {

namespace {

std::string holder_of(int file) {
    char text[32];
    const ssize_t got = ::pread(file, text, sizeof text, 0);
    std::string pid(text, got > 0 ? static_cast<std::size_t>(got) : 0);
    pid.resize(std::min(pid.find_first_not_of("0123456789"), pid.size()));
    return pid.empty() ? "unknown" : pid;
}

bool is_served(const std::string& socket) {
    const auto address = rpc::unix_address(socket);
    const base::Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return address && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0;
}

void on_alarm(int) {}

// 0, or errno: EINTR when the time is over.
int lock_within(int file, unsigned seconds) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = on_alarm;  // no SA_RESTART: it is to interrupt flock
    ::sigaction(SIGALRM, &action, &before);
    ::alarm(seconds);
    const int error = ::flock(file, LOCK_EX) == 0 ? 0 : errno;
    ::alarm(0);
    ::sigaction(SIGALRM, &before, nullptr);
    return error;
}

void raise(int resource, rlim_t beyond) {
    rlimit limit{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) {
        return;
    }
    const rlimit higher{std::max(limit.rlim_max, beyond), std::max(limit.rlim_max, beyond)};
    if (::setrlimit(static_cast<__rlimit_resource_t>(resource), &higher) != 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
    }
}

}  // namespace

base::Result<InstanceLock> InstanceLock::acquire(const std::string& directory, const std::string& socket,
                                                 unsigned patience_s) {
    const std::string path = directory + "/chaosd.lock";
    base::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) {
        return base::fail_errno(errno, "cannot open '" + path + "'");
    }
    int error = ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    if (error == EWOULDBLOCK && patience_s != 0 && !is_served(socket)) {
        error = lock_within(file.get(), patience_s);
    }
    if (error == EWOULDBLOCK || error == EINTR) {
        return base::fail(base::Code::bad_state, "another chaosd (pid " + holder_of(file.get()) + ") is using '" +
                                                     directory + "' (socket '" + socket + "')");
    }
    if (error != 0) {
        return base::fail_errno(error, "lock '" + path + "'");
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(file.get(), 0) != 0 ||
        ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return base::fail_errno(errno, "write '" + path + "'");
    }
    return InstanceLock(std::move(file));
}

void raise_limits() {
    // fs.nr_open's default: beyond it even root gets EPERM.
    constexpr rlim_t most_descriptors = 1 << 20;
    raise(RLIMIT_NOFILE, most_descriptors);
    raise(RLIMIT_NPROC, RLIM_INFINITY);
}

}  // namespace chaos
