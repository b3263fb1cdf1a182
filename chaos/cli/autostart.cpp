// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/autostart.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <utility>

#include "base/fd.hpp"
#include "chaos/config/file.hpp"

namespace chaos::cli {

namespace {

constexpr int start_deadline_ms = 10'000;

std::string daemon_program() {
    char buffer[PATH_MAX];
    const ssize_t length = ::readlink("/proc/self/exe", buffer, sizeof buffer);
    const std::string beside = directory_of({buffer, length > 0 ? static_cast<std::size_t>(length) : 0}) + "/chaosd";
    return ::access(beside.c_str(), X_OK) == 0 ? beside : "chaosd";
}

// Serialises those who find no daemon; goes with the process that holds it.
base::Result<base::Fd> take_turn(const std::string& socket) {
    const std::string directory = directory_of(socket);
    BASE_TRY(make_private_directory(directory));
    const std::string path = directory + "/autostart.lock";
    base::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) {
        return base::fail_errno(errno, "cannot open '" + path + "'");
    }
    while (::flock(file.get(), LOCK_EX) != 0) {
        if (errno != EINTR) {
            return base::fail_errno(errno, "lock '" + path + "'");
        }
    }
    return file;
}

struct Started {
    pid_t pid;
    base::Fd said;  // its standard error
};

base::Result<Started> spawn(const std::string& socket) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return base::fail_errno(errno, "pipe");
    }
    base::Fd said(ends[0]);
    const base::Fd error_output(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, error_output.get(), STDERR_FILENO);
    const std::string program = daemon_program();
    std::string path = socket;
    std::array<char*, 5> arguments{const_cast<char*>("chaosd"), const_cast<char*>("--daemonize"),
                                   const_cast<char*>("--socket"), path.data(), nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawnp(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return base::fail_errno(error, "cannot start '" + program + "'");
    }
    return Started{pid, std::move(said)};
}

std::string drain(int fd) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    while (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

// The command ends when the daemon behind it is ready, or could not start.
base::Result<void> await(const Started& started) {
    const base::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, started.pid, 0)));
    pollfd ended{process.get(), POLLIN, 0};
    if (process && ::poll(&ended, 1, start_deadline_ms) == 0) {
        ::kill(started.pid, SIGTERM);
        ::waitpid(started.pid, nullptr, 0);
        return base::fail(base::Code::timed_out, "chaosd was not ready after 10 s; " + drain(started.said.get()));
    }
    int status = 0;
    ::waitpid(started.pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return {};
    }
    const std::string said = drain(started.said.get());
    return base::fail(base::Code::unavailable, "cannot start chaosd: " + (said.empty() ? "it died" : said));
}

}  // namespace

base::Result<Client> autostart(const std::string& socket) {
    BASE_ASSIGN(const base::Fd turn, take_turn(socket));
    auto already = Client::connect(socket);
    if (already || already.error().code != base::Code::unavailable) {
        return already;
    }
    BASE_ASSIGN(const Started started, spawn(socket));
    const auto ready = await(started);
    auto client = Client::connect(socket);
    return client || ready ? std::move(client) : std::unexpected(ready.error());
}

}  // namespace chaos::cli
