// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/domain_process.hpp"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>

#include "base/scope_guard.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace hypervisor::process {

namespace {

/// fork with the descriptor table shared until the child unshares it: its cost does not grow with our descriptors.
pid_t clone_sharing_files(int& pidfd) {
    return static_cast<pid_t>(::syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, nullptr, 0));
}

constexpr int deadline_ms = 10000;

base::Result<void> wait_until_parked(const DomainProcess& domain, const base::Fd& pidfd, const SetupReport& report) {
    std::array<pollfd, 2> waits{{{domain.doorbell.get(), POLLIN, 0}, {pidfd.get(), POLLIN, 0}}};
    int ready = 0;
    do {
        ready = ::poll(waits.data(), waits.size(), deadline_ms);
    } while (ready < 0 && errno == EINTR);
    if ((waits[0].revents & POLLIN) != 0) {
        std::uint64_t rings = 0;
        if (::read(domain.doorbell.get(), &rings, sizeof rings) == sizeof rings) {
            return {};
        }
    }
    if (ready == 0) {
        return base::fail_errno(ETIMEDOUT, "confining a domain");
    }
    if (report.why[0] != '\0') {
        auto error = base::sys_error(report.error, "");
        error.message = std::string("making a domain: ") + report.why.data();
        return base::fail(std::move(error));
    }
    siginfo_t status{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &status, WEXITED | WNOWAIT);
    const auto why = status.si_code == CLD_EXITED
                         ? domain.kind->explain_setup({domain.memory.get(), domain.shape, CLD_EXITED, status.si_status})
                         : "it was killed by signal " + std::to_string(status.si_status);
    return base::fail(base::Error{base::Code::unavailable, ECHILD, "making a domain: " + why});
}

}  // namespace

void reap(DomainProcess& domain) {
    ::kill(domain.pid, SIGKILL);
    while (::waitpid(domain.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    domain.pid = 0;
}

base::Result<DomainProcess> spawn_domain(base::DomId id, const DomainShape& shape, const DomainKind& kind,
                                         SetupReport& report) {
    DomainProcess domain;
    domain.kind = &kind;
    domain.shape = shape;
    domain.memory.reset(::memfd_create("chaos-domain", MFD_CLOEXEC));
    const auto size = shape.memory + kind.extra_memory(shape);
    if (!domain.memory || ::ftruncate(domain.memory.get(), static_cast<off_t>(size)) != 0) {
        return base::fail_errno(errno, "memory of a domain");
    }
    domain.doorbell.reset(::eventfd(0, EFD_CLOEXEC));
    if (!domain.doorbell || ::dup2(domain.doorbell.get(), reserved_doorbell_slot) < 0) {
        return base::fail_errno(errno, "doorbell of a domain");
    }
    if (shape.data_lane) {
        domain.data_doorbell.reset(::eventfd(0, EFD_CLOEXEC));
        if (!domain.data_doorbell || ::dup2(domain.data_doorbell.get(), reserved_data_doorbell_slot) < 0) {
            return base::fail_errno(errno, "doorbell of a data lane");
        }
    }
    report = {};
    const ChildSpec child{id, ::getpid(), domain.memory.get(), shape, &report};
    int pidfd_number = -1;
    domain.pid = clone_sharing_files(pidfd_number);
    if (domain.pid == 0) {
        kind.become(child);
    }
    if (domain.pid < 0) {
        return base::fail_errno(errno, "process of a domain (limits: RLIMIT_NPROC, kernel.pid_max, memory)");
    }
    const base::Fd pidfd(pidfd_number);
    base::ScopeGuard undo([&] { reap(domain); });
    BASE_TRY(wait_until_parked(domain, pidfd, report));
    undo.dismiss();
    const auto threads = std::span(report.threads).first(std::min<std::size_t>(report.thread_count, max_threads));
    domain.threads.assign(threads.begin(), threads.end());
    return domain;
}

std::string DomainKind::explain_setup(const Remains& remains) const {
    switch (remains.status) {
        case exit_unmap: return "unmapping chaos-hv";
        case exit_filter: return "its system call filter";
        default: return "it ended early, with exit code " + std::to_string(remains.status);
    }
}

void bury(DomainProcess& domain, int how, int status) {
    auto ending = domain.kind->ending_of({domain.memory.get(), domain.shape, how, status});
    domain.death = ending.record;
    domain.death_cause = std::move(ending.cause);
}

abi::EventPage read_event_page(int memory_fd) {
    abi::EventPage page{};
    if (::pread(memory_fd, &page, sizeof page, abi::event_page_gpa) != sizeof page) {
        page = {};
    }
    return page;
}

bool is_loaded(const DomainProcess& domain) {
    return read_event_page(domain.memory.get()).boot != abi::boot_parked;
}

}  // namespace hypervisor::process
