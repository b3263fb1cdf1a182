// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/reference.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <ctime>
#include <utility>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "benchmarks/support/stats.hpp"

extern "C" char** environ;

namespace bench {
namespace {

struct Words {
    std::uint32_t question;  // counts up; end_word: stop
    std::uint32_t answer;
};
constexpr std::uint32_t end_word = UINT32_MAX;

void futex(std::uint32_t* word, int operation, std::uint32_t value) {
    ::syscall(SYS_futex, word, operation, value, nullptr, nullptr, 0);
}

void publish(std::uint32_t* word, std::uint32_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    futex(word, FUTEX_WAKE, 1);
}

std::uint32_t await_change(std::uint32_t* word, std::uint32_t old) {
    for (;;) {
        const std::uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
        if (now != old) {
            return now;
        }
        futex(word, FUTEX_WAIT, old);
    }
}

[[noreturn]] void answer_until_told(Words* words) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::uint32_t seen = 0;
    while ((seen = await_change(&words->question, seen)) != end_word) {
        publish(&words->answer, seen);
    }
    ::_exit(0);
}

}  // namespace

base::Result<double> timed_run(const std::vector<std::string>& argv) {
    std::vector<char*> arguments;
    for (const std::string& argument : argv) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const auto begin = Clock::now();
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    int status = 0;
    if (failed == 0) {
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    const auto end = Clock::now();
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        return base::fail_errno(failed, "start " + argv[0]);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return base::fail(base::Code::io_error, argv[0] + " failed; its message is above");
    }
    return micros(begin, end);
}

base::Result<ParkedProcess> ParkedProcess::start() {
    const base::Fd memory(::memfd_create("parked", MFD_CLOEXEC));
    if (!memory || ::ftruncate(memory.get(), base::page_size) != 0) {
        return base::fail_errno(errno, "memfd");
    }
    BASE_ASSIGN(auto page, base::Mapping::map(memory.get(), 0, base::page_size, base::Access::read_write));
    const pid_t pid = ::fork();
    if (pid < 0) {
        return base::fail_errno(errno, "fork");
    }
    if (pid == 0) {
        answer_until_told(page.at<Words>());
    }
    return ParkedProcess(std::move(page), pid);
}

ParkedProcess::ParkedProcess(ParkedProcess&& other) noexcept
    : page_(std::move(other.page_)), pid_(std::exchange(other.pid_, 0)) {}

ParkedProcess::~ParkedProcess() {
    if (pid_ > 0) {
        publish(&page_.at<Words>()->question, end_word);
        ::waitpid(pid_, nullptr, 0);
    }
}

double ParkedProcess::timed_wake() {
    Words* words = page_.at<Words>();
    const std::uint32_t old = words->answer;
    const auto begin = Clock::now();
    publish(&words->question, old + 1);
    await_change(&words->answer, old);
    return micros(begin, Clock::now());
}

}  // namespace bench
