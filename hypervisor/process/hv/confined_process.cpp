// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/confined_process.hpp"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <vector>

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/process/hv/call_filter.hpp"
#include "hypervisor/process/hv/child_setup.hpp"
#include "hypervisor/process/hv/domain_process.hpp"
#include "hypervisor/process/process_abi.hpp"

extern "C" {
extern const std::byte chaos_trampoline[];
extern const std::byte chaos_trampoline_crash[];
extern const std::byte chaos_trampoline_program[];
extern const std::byte chaos_trampoline_end[];
}

namespace hypervisor::process {

namespace {

/// What the trampoline's crash handler turns into a record: faults, and calls that the filter stopped.
constexpr std::array<int, 6> crash_signals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

/// The allow-list of process_abi.hpp.
base::Result<std::vector<std::byte>> compile_filter() {
    constexpr auto wake = abi::event_page_gpa + offsetof(abi::EventPage, wake);
    CallFilter filter(Otherwise::trap);
    for (const int doorbell : {abi::doorbell_fd, abi::data_doorbell_fd}) {
        filter.allow(abi::nr_write,
                     {{0, SCMP_CMP_EQ, static_cast<std::uint64_t>(doorbell), 0}, {2, SCMP_CMP_EQ, 8, 0}});
    }
    filter.allow(abi::nr_futex, {{0, SCMP_CMP_EQ, wake, 0}, {1, SCMP_CMP_EQ, FUTEX_WAIT, 0}});
    filter.allow(abi::nr_restart_syscall);
    filter.allow(abi::nr_clock_gettime, {{0, SCMP_CMP_LE, 1, 0}});
    filter.allow(abi::nr_getrandom, {{1, SCMP_CMP_LE, 256, 0}, {2, SCMP_CMP_EQ, 0, 0}});
    filter.allow(abi::nr_exit_group);
    return filter.compile();
}

void map_guest(const ChildSpec& spec, int trampoline) {
    const auto memory = [&](std::uint64_t from, std::uint64_t to, int protection) {
        map_shared(spec, from, to - from, protection, spec.memory_fd, from);
    };
    map_shared(spec, abi::trampoline_gpa, abi::start_info_gpa - abi::trampoline_gpa, PROT_READ | PROT_EXEC, trampoline,
               0);
    memory(abi::start_info_gpa, abi::read_only_end, PROT_READ);
    memory(abi::event_page_gpa, abi::signal_stack_end, PROT_READ | PROT_WRITE);
    memory(abi::grant_table_gpa, abi::grant_table_end, PROT_READ | PROT_WRITE);
    memory(abi::ram_gpa, spec.shape.memory, PROT_READ | PROT_WRITE | PROT_EXEC);
}

void touch_what_every_guest_touches(const ChildSpec& spec) {
    touch_early(abi::start_info_gpa, abi::read_only_end, MADV_POPULATE_READ);
    touch_early(abi::event_page_gpa, spec.shape.early_end(), MADV_POPULATE_WRITE);
    touch_early(abi::grant_table_gpa, abi::grant_table_gpa + base::page_size, MADV_POPULATE_WRITE);
    touch_early(abi::warm_stack_gpa, abi::warm_stack_end, MADV_POPULATE_WRITE);
    touch_early(abi::warm_image_gpa, abi::warm_image_end, MADV_POPULATE_WRITE);
}

/// struct sigaction of the kernel (not glibc's).
struct KernelSigaction {
    std::uint64_t handler;
    std::uint64_t flags;
    std::uint64_t restorer;
    std::uint64_t mask;
};

bool install_crash_handler(std::uint64_t handler) {
    stack_t stack{};
    stack.ss_sp = reinterpret_cast<void*>(abi::signal_stack_gpa);
    stack.ss_size = abi::signal_stack_end - abi::signal_stack_gpa;
    if (::sigaltstack(&stack, nullptr) != 0) {
        return false;
    }
    constexpr std::uint64_t sa_restorer = 0x04000000;  // SA_RESTORER; the handler never returns to it
    const KernelSigaction action{handler, SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | sa_restorer, handler, 0};
    for (const int signal : crash_signals) {
        if (::syscall(SYS_rt_sigaction, signal, &action, nullptr, sizeof action.mask) != 0) {
            return false;
        }
    }
    return true;
}

bool handled_signal(std::uint32_t signal) {
    for (const int known : crash_signals) {
        if (signal == static_cast<std::uint32_t>(known)) {
            return true;
        }
    }
    return false;
}

}  // namespace

base::Result<std::unique_ptr<DomainKind>> ConfinedProcess::open() {
    BASE_ASSIGN(const auto filter, compile_filter());
    const auto program_at = static_cast<std::size_t>(chaos_trampoline_program - chaos_trampoline);
    BASE_ASSIGN(auto page, seal_code({chaos_trampoline, chaos_trampoline_end}, filter, [&](auto code, auto filter_at) {
                    const FilterProgram program{filter.size() / 8, abi::trampoline_gpa + filter_at};
                    std::memcpy(code.data() + program_at, &program, sizeof program);
                }));
    if (page.size > base::page_size) {
        return base::fail(base::Code::internal, "trampoline does not fit into its page");
    }
    return std::unique_ptr<DomainKind>(new ConfinedProcess(std::move(page.memory)));
}

void ConfinedProcess::become(const ChildSpec& spec) const {
    belong_to_parent(spec);
    map_guest(spec, trampoline_.get());
    touch_what_every_guest_touches(spec);
    reinterpret_cast<abi::EventPage*>(abi::event_page_gpa)->data_doorbell = spec.shape.data_lane ? 1 : 0;
    keep_reserved_descriptors(spec, abi::data_doorbell_fd);
    const int end = spec.shape.data_lane ? abi::data_doorbell_fd + 1 : abi::doorbell_fd + 1;
    require(::close_range(0, abi::doorbell_fd - 1, 0) == 0 && ::close_range(static_cast<unsigned>(end), ~0U, 0) == 0,
            spec, "its descriptors");
    const auto crash_handler =
        abi::trampoline_gpa + static_cast<std::uint64_t>(chaos_trampoline_crash - chaos_trampoline);
    require(install_crash_handler(crash_handler), spec, "its crash handler");
    lower_limits(spec, static_cast<unsigned>(end));
    leave_for(spec, abi::trampoline_gpa, spec.shape.memory);
}

Ending ConfinedProcess::ending_of(const Remains& remains) const {
    const auto ended = [](DeathKind kind, int code, int signal) {
        return Ending{{static_cast<std::uint32_t>(kind), code, signal, 1, 0, {}}};
    };
    const int status = remains.status;
    if (remains.how == CLD_EXITED) {
        const auto page = read_event_page(remains.memory_fd);
        if (!handled_signal(page.crash_signal) || status != 128 + static_cast<int>(page.crash_signal)) {
            return ended(DeathKind::exited, status, 0);
        }
        // A bus error inside RAM: the host could not give the page.
        const bool starved =
            page.crash_signal == SIGBUS && page.crash_addr >= abi::ram_gpa && page.crash_addr < remains.shape.memory;
        const bool forbidden = page.crash_signal == SIGSYS;
        auto ending = ended(starved     ? DeathKind::out_of_memory
                            : forbidden ? DeathKind::forbidden_call
                                        : DeathKind::crashed,
                            0, static_cast<int>(page.crash_signal));
        if (forbidden) {
            ending.cause = "number " + std::to_string(page.crash_registers.rax);
        }
        ending.record.address = page.crash_addr;
        ending.record.registers = page.crash_registers;
        return ending;
    }
    if (status == SIGSYS) {
        return ended(DeathKind::forbidden_call, 0, SIGSYS);
    }
    return ended(handled_signal(static_cast<std::uint32_t>(status)) ? DeathKind::crashed : DeathKind::killed, 0,
                 status);
}

}  // namespace hypervisor::process
