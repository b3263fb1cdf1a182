// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/daemon.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

#include "benchmarks/support/process_stats.hpp"
#include "benchmarks/support/stats.hpp"

extern "C" char** environ;

namespace bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

base::Result<pid_t> spawn(const std::vector<std::string>& argv) {
    std::vector<char*> arguments;
    for (const std::string& argument : argv) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, arguments[0], nullptr, nullptr, arguments.data(), environ);
    if (failed != 0) {
        return base::fail_errno(failed, "start " + argv[0]);
    }
    return pid;
}

// Where a daemon's runtime folder lives on a normal machine: a file system in memory.
std::string runtime_root() {
    const char* const own = std::getenv("XDG_RUNTIME_DIR");
    for (const char* const folder : {"/run", own, "/dev/shm"}) {
        struct statfs info {};
        if (folder != nullptr && ::statfs(folder, &info) == 0 && info.f_type == TMPFS_MAGIC &&
            ::access(folder, W_OK) == 0) {
            return folder;
        }
    }
    std::fprintf(stderr, "no writable tmpfs: records of domains go to a disk, and launches are slower for it\n");
    return "/tmp";
}

// Waits for the end of a process that need not be our child; kills it when it takes too long.
void await_end(pid_t pid, int patience_ms) {
    const base::Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (handle) {
        pollfd ended{handle.get(), POLLIN, 0};
        if (::poll(&ended, 1, patience_ms) == 0) {
            ::kill(pid, SIGKILL);
        }
    }
    ::waitpid(pid, nullptr, 0);
}

}  // namespace

base::Result<PrivateDaemon> PrivateDaemon::start(const std::vector<std::string>& options) {
    std::error_code failed;
    PrivateDaemon daemon;
    daemon.build_ = fs::read_symlink("/proc/self/exe", failed).parent_path().parent_path().string();
    std::string pattern = runtime_root() + "/chaos-bench.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
        return base::fail_errno(errno, "mkdtemp " + pattern);
    }
    daemon.runtime_ = pattern;
    daemon.socket_ = pattern + "/api.sock";
    std::vector<std::string> words{daemon.build_ + "/bin/chaosd", "--socket", daemon.socket_, "--log-level", "warn"};
    words.insert(words.end(), options.begin(), options.end());
    BASE_ASSIGN(daemon.pid_, spawn(words));
    for (int tries = 0; tries < 2000; ++tries) {
        if (auto client = daemon.connect()) {
            BASE_ASSIGN(const std::string_view reply, client->call("hello", "{}"));
            daemon.driver_ = text_in(reply, "driver");
            const auto owners = processes_of(daemon.build_ + "/bin/chaos-hv", daemon.runtime_);
            daemon.owner_ = owners.empty() ? 0 : owners.front();
            return daemon;
        }
        if (::waitpid(daemon.pid_, nullptr, WNOHANG) == daemon.pid_) {
            daemon.pid_ = 0;
            return base::fail(base::Code::unavailable, "chaosd ended at once; its message is above");
        }
        std::this_thread::sleep_for(5ms);
    }
    return base::fail(base::Code::timed_out, "chaosd does not answer");
}

PrivateDaemon::PrivateDaemon(PrivateDaemon&& other) noexcept
    : build_(std::move(other.build_)),
      runtime_(std::exchange(other.runtime_, {})),
      socket_(std::move(other.socket_)),
      driver_(std::move(other.driver_)),
      pid_(std::exchange(other.pid_, 0)),
      owner_(std::exchange(other.owner_, 0)) {}

PrivateDaemon::~PrivateDaemon() {
    if (pid_ > 0) {
        if (auto client = connect()) {
            static_cast<void>(client->call("daemon.stop", R"({"domains":"destroy"})"));
        } else {
            ::kill(pid_, SIGTERM);
        }
        await_end(pid_, 60'000);
        if (owner_ > 0) {
            await_end(owner_, 60'000);
        }
    }
    if (!runtime_.empty()) {
        std::error_code failed;
        fs::remove_all(runtime_, failed);
    }
}

std::string PrivateDaemon::config_of(const std::string& guest) const {
    return R"({"kernel":")" + build_ + "/guests/" + guest + R"(.elf","memory":4})";
}

base::Result<void> PrivateDaemon::set_pool(Client& client, unsigned floor, unsigned ceiling) const {
    const std::string params =
        R"({"memory":4,"vcpus":1,"floor":)" + std::to_string(floor) + R"(,"ceiling":)" + std::to_string(ceiling) + "}";
    BASE_TRY(client.call("pool.set", params));
    return {};
}

base::Result<void> PrivateDaemon::await_shells(Client& client, unsigned shells,
                                               std::chrono::microseconds interval) const {
    const auto deadline = Clock::now() + 30s;
    while (Clock::now() < deadline) {
        BASE_ASSIGN(const std::string_view reply, client.call("pool.status", "{}"));
        if (number_in(reply, "ready").value_or(0) >= shells) {
            return {};
        }
        std::this_thread::sleep_for(interval);
    }
    return base::fail(base::Code::timed_out, "the pool does not fill up to " + std::to_string(shells) + " shells");
}

base::Result<void> PrivateDaemon::await_full_pool(Client& client) const {
    BASE_ASSIGN(const std::string_view reply, client.call("pool.status", "{}"));
    return await_shells(client, static_cast<unsigned>(number_in(reply, "target").value_or(0)));
}

base::Result<void> destroy(Client& client, double id) {
    BASE_TRY(client.call("domain.destroy", "{\"id\":" + std::to_string(static_cast<long>(id)) + "}"));
    return {};
}

}  // namespace bench
