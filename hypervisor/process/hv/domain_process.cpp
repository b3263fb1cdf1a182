// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/domain_process.hpp"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "base/scope_guard.hpp"
#include "hypervisor/hypervisor.hpp"
#include "hypervisor/process/hv/become_domain.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace hypervisor::process {

namespace {

/// fork with the descriptor table shared until the child unshares it: its cost does not grow with our descriptors.
pid_t clone_sharing_files(int& pidfd) {
    return static_cast<pid_t>(::syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, nullptr, 0));
}

base::Result<void> wait_until_parked(const base::Fd& pidfd, const base::Fd& doorbell) {
    constexpr int deadline_ms = 10000;
    std::array<pollfd, 2> waits{{{doorbell.get(), POLLIN, 0}, {pidfd.get(), POLLIN, 0}}};
    int ready = 0;
    do {
        ready = ::poll(waits.data(), waits.size(), deadline_ms);
    } while (ready < 0 && errno == EINTR);
    if ((waits[0].revents & POLLIN) != 0) {
        std::uint64_t rings = 0;
        if (::read(doorbell.get(), &rings, sizeof rings) == sizeof rings) {
            return {};
        }
    }
    if (ready == 0) {
        return base::fail_errno(ETIMEDOUT, "confining a domain");
    }
    siginfo_t status{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &status, WEXITED | WNOWAIT);
    return base::fail_errno(status.si_code == CLD_EXITED ? setup_errno(status.si_status) : ECHILD,
                            std::string("confining a domain: ") + setup_step(status.si_status));
}

void reap(pid_t pid) {
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace

base::Result<DomainProcess> spawn_domain(base::DomId id, const DomainShape& shape, const Trampoline& trampoline) {
    DomainProcess domain;
    domain.memory_size = shape.memory;
    domain.control_pages = shape.control_pages;
    domain.memory.reset(::memfd_create("chaos-domain", MFD_CLOEXEC));
    if (!domain.memory || ::ftruncate(domain.memory.get(), static_cast<off_t>(shape.memory)) != 0) {
        return base::fail_errno(errno, "memory of a domain");
    }
    domain.doorbell.reset(::eventfd(0, EFD_CLOEXEC));
    if (!domain.doorbell || ::dup2(domain.doorbell.get(), reserved_doorbell_slot) < 0) {
        return base::fail_errno(errno, "doorbell of a domain");
    }
    const ChildSpec child{id, ::getpid(), domain.memory.get(), shape.memory, shape.control_pages, &trampoline};
    int pidfd_number = -1;
    domain.pid = clone_sharing_files(pidfd_number);
    if (domain.pid == 0) {
        become_domain(child);
    }
    if (domain.pid < 0) {
        return base::fail_errno(errno, "process of a domain (limits: RLIMIT_NPROC, kernel.pid_max, memory)");
    }
    const base::Fd pidfd(pidfd_number);
    base::ScopeGuard undo([&] { reap(domain.pid); });
    BASE_TRY(wait_until_parked(pidfd, domain.doorbell));
    undo.dismiss();
    return domain;
}

namespace {

abi::EventPage read_event_page(const DomainProcess& domain) {
    abi::EventPage page{};
    if (::pread(domain.memory.get(), &page, sizeof page, abi::event_page_gpa) != sizeof page) {
        page = {};
    }
    return page;
}

bool handled_signal(std::uint32_t signal) {
    for (const int known : crash_signals) {
        if (signal == static_cast<std::uint32_t>(known)) {
            return true;
        }
    }
    return false;
}

DeathRecord record(DeathKind kind, int code, int signal) {
    return {static_cast<std::uint32_t>(kind), code, signal, 1, 0, {}};
}

}  // namespace

DeathRecord death_of(const DomainProcess& domain, int how, int status) {
    if (how == CLD_EXITED) {
        const auto page = read_event_page(domain);
        if (!handled_signal(page.crash_signal) || status != 128 + static_cast<int>(page.crash_signal)) {
            return record(DeathKind::exited, status, 0);
        }
        // A bus error inside RAM: the host could not give the page.
        const bool starved =
            page.crash_signal == SIGBUS && page.crash_addr >= abi::ram_gpa && page.crash_addr < domain.memory_size;
        auto death =
            record(starved ? DeathKind::out_of_memory : DeathKind::crashed, 0, static_cast<int>(page.crash_signal));
        death.address = page.crash_addr;
        death.registers = page.crash_registers;
        return death;
    }
    if (status == SIGSYS) {
        return record(DeathKind::forbidden_call, 0, SIGSYS);
    }
    return record(handled_signal(static_cast<std::uint32_t>(status)) ? DeathKind::crashed : DeathKind::killed, 0,
                  status);
}

bool is_loaded(const DomainProcess& domain) {
    return read_event_page(domain).boot != abi::boot_parked;
}

}  // namespace hypervisor::process
