// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/runtime_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "chaos/config/file.hpp"

namespace chaos {

namespace {

base::Result<void> make_one(const std::string& directory, mode_t mode) {
    struct stat status {};
    if (::stat(directory.c_str(), &status) == 0) {
        return S_ISDIR(status.st_mode) ? base::Result<void>()
                                       : base::fail(base::Code::bad_state, "'" + directory + "' is no directory");
    }
    if (::mkdir(directory.c_str(), mode) != 0 && errno != EEXIST) {
        return base::fail_errno(errno, "cannot make the directory '" + directory + "'");
    }
    return {};
}

std::string holder_of(int file) {
    char text[32];
    const ssize_t got = ::pread(file, text, sizeof text, 0);
    std::string pid(text, got > 0 ? static_cast<std::size_t>(got) : 0);
    pid.resize(std::min(pid.find_first_not_of("0123456789"), pid.size()));
    return pid.empty() ? "unknown" : pid;
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

base::Result<void> make_directory(const std::string& directory) {
    constexpr mode_t private_mode = 0700;
    constexpr mode_t parent_mode = 0755;
    for (std::size_t slash = directory.find('/', 1); slash != std::string::npos;
         slash = directory.find('/', slash + 1)) {
        BASE_TRY(make_one(directory.substr(0, slash), parent_mode));
    }
    return make_one(directory, private_mode);
}

base::Result<InstanceLock> InstanceLock::acquire(const std::string& directory, const std::string& socket) {
    const std::string path = directory + "/chaosd.lock";
    base::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) {
        return base::fail_errno(errno, "cannot open '" + path + "'");
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return base::fail_errno(errno, "lock '" + path + "'");
        }
        return base::fail(base::Code::bad_state, "another chaosd (pid " + holder_of(file.get()) + ") is using '" +
                                                     directory + "' (socket '" + socket + "')");
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
