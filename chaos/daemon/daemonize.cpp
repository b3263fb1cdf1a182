// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/daemonize.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace chaos {

namespace {

constexpr char word_ready = 'R';

// The child's word is one byte for ready, or its exit status as a digit and the message after it.
int heed(int from_child) {
    std::string said;
    char buffer[512];
    while (true) {
        const ssize_t got = ::read(from_child, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        said.append(buffer, static_cast<std::size_t>(got));
    }
    if (!said.empty() && said.front() == word_ready) {
        return 0;
    }
    const std::string message = said.empty() ? "the daemon ended before it was ready" : said.substr(1);
    std::fprintf(stderr, "chaosd: %s\n", message.c_str());
    return said.empty() ? 1 : said.front() - '0';
}

}  // namespace

base::Result<std::optional<int>> Background::enter() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return base::fail_errno(errno, "pipe");
    }
    base::Fd from_child(ends[0]);
    base::Fd to_parent(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) {
        return base::fail_errno(errno, "fork");
    }
    if (child > 0) {
        to_parent.reset();
        return std::optional<int>(heed(from_child.get()));
    }
    to_parent_ = std::move(to_parent);
    ::setsid();
    const base::Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    (void)::dup2(null.get(), STDIN_FILENO);
    if (::chdir("/") != 0) {
        return base::fail_errno(errno, "chdir /");
    }
    return std::optional<int>();
}

void Background::ready() {
    if (to_parent_) {
        (void)!::write(to_parent_.get(), &word_ready, 1);
        to_parent_.reset();
    }
}

bool Background::failed(std::string_view message, int status) {
    if (!to_parent_) {
        return false;
    }
    const std::string said = static_cast<char>('0' + status) + std::string(message);
    (void)!::write(to_parent_.get(), said.data(), said.size());
    to_parent_.reset();
    return true;
}

base::Result<void> redirect_output(const std::string& path) {
    const base::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file) {
        return base::fail_errno(errno, "cannot open the log file '" + path + "'");
    }
    if (::dup2(file.get(), STDERR_FILENO) < 0 || ::dup2(file.get(), STDOUT_FILENO) < 0) {
        return base::fail_errno(errno, "redirect to '" + path + "'");
    }
    return {};
}

}  // namespace chaos
