// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/become_domain.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

#include "hypervisor/process/hv/domain_process.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace hypervisor::process {

namespace {

// Exit codes; 250 and 251 are the trampoline's.
constexpr int exit_parent_gone = 240;
constexpr int exit_memory = 241;
constexpr int exit_descriptors = 242;
constexpr int exit_signals = 243;
constexpr int exit_limits = 244;
constexpr int exit_rseq = 245;
constexpr int exit_unmap = 250;
constexpr int exit_filter = 251;

/// End of user addresses with four-level paging (Documentation/arch/x86/x86_64/mm.rst), less the guard page.
constexpr std::uint64_t user_end = 0x7ffffffff000;

void require(bool ok, int code) {
    if (!ok) {
        ::_exit(code);
    }
}

bool map(std::uint64_t from, std::uint64_t to, int protection, int fd, std::uint64_t offset) {
    const auto want = reinterpret_cast<void*>(from);
    return ::mmap(want, to - from, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, static_cast<off_t>(offset)) ==
           want;
}

bool map_guest(const ChildSpec& spec) {
    return map(abi::trampoline_gpa, abi::start_info_gpa, PROT_READ | PROT_EXEC, spec.trampoline->page.get(), 0) &&
           map(abi::start_info_gpa, abi::grant_table_gpa, PROT_READ, spec.memory_fd, abi::start_info_gpa) &&
           map(abi::grant_table_gpa, abi::signal_stack_end, PROT_READ | PROT_WRITE, spec.memory_fd,
               abi::grant_table_gpa) &&
           map(abi::ram_gpa, spec.memory_size, PROT_READ | PROT_WRITE | PROT_EXEC, spec.memory_fd, abi::ram_gpa);
}

/// Touches what a launch will touch, while nobody waits: a page fault costs microseconds, more on a virtual machine.
/// Only a hint: kernels before 5.14 have no MADV_POPULATE_WRITE.
void touch_early(std::uint64_t from, std::uint64_t to, int advice) {
    ::madvise(reinterpret_cast<void*>(from), to - from, advice);
}

void touch_what_every_guest_touches(const ChildSpec& spec) {
    touch_early(abi::start_info_gpa, abi::grant_table_gpa, MADV_POPULATE_READ);
    touch_early(abi::grant_table_gpa, abi::control_gpa + spec.control_pages * base::page_size, MADV_POPULATE_WRITE);
    touch_early(abi::warm_stack_gpa, abi::warm_stack_end, MADV_POPULATE_WRITE);
    touch_early(abi::warm_image_gpa, abi::warm_image_end, MADV_POPULATE_WRITE);
}

/// Leaves the shared table for a private one that holds nothing but the doorbell.
bool keep_only_doorbell() {
    static_assert(reserved_doorbell_slot == abi::doorbell_fd);
    return ::close_range(abi::doorbell_fd + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0 &&
           ::close_range(0, abi::doorbell_fd - 1, 0) == 0;
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
    const std::uint64_t nothing = 0;
    return ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &nothing, nullptr, sizeof nothing) == 0;
}

bool lower_limits() {
    const rlimit descriptors{abi::doorbell_fd + 1, abi::doorbell_fd + 1};
    const rlimit none{0, 0};
    return ::setrlimit(RLIMIT_NOFILE, &descriptors) == 0 && ::setrlimit(RLIMIT_NPROC, &none) == 0 &&
           ::setrlimit(RLIMIT_MEMLOCK, &none) == 0 && ::setrlimit(RLIMIT_MSGQUEUE, &none) == 0;
}

/// glibc registered a restartable sequence area in memory that is about to vanish; the kernel would fault on it.
bool leave_rseq() {
    if (__rseq_size == 0) {
        return true;
    }
    const auto area =
        reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer()) + static_cast<std::uintptr_t>(__rseq_offset);
    constexpr unsigned original_size = 32;  // what glibc registers whatever the features
    for (const unsigned size : {original_size, __rseq_size}) {
        if (::syscall(SYS_rseq, area, size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0) {
            return true;
        }
    }
    return false;
}

void set_name(base::DomId id) {
    char name[16];
    std::snprintf(name, sizeof name, "chaos-dom%u", static_cast<unsigned>(id.value));
    ::prctl(PR_SET_NAME, name);
}

[[noreturn]] void jump_to_trampoline(std::uint64_t entry, std::uint64_t unmap_from) {
    asm volatile("jmp *%0" : : "r"(entry), "D"(unmap_from), "S"(user_end - unmap_from) : "memory");
    __builtin_unreachable();
}

}  // namespace

void become_domain(const ChildSpec& spec) {
    // Ends with chaos-hv, whatever ends it.
    require(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == spec.parent, exit_parent_gone);
    set_name(spec.id);
    require(map_guest(spec), exit_memory);
    touch_what_every_guest_touches(spec);
    require(keep_only_doorbell(), exit_descriptors);
    require(install_crash_handler(spec.trampoline->crash_handler), exit_signals);
    require(lower_limits(), exit_limits);
    require(leave_rseq(), exit_rseq);
    jump_to_trampoline(spec.trampoline->entry, spec.memory_size);
}

const char* setup_step(int exit_code) {
    switch (exit_code) {
        case exit_parent_gone: return "its parent is gone";
        case exit_memory: return "mapping its memory";
        case exit_descriptors: return "its descriptor table";
        case exit_signals: return "its crash handler";
        case exit_limits: return "its limits";
        case exit_rseq: return "leaving rseq";
        case exit_unmap: return "unmapping chaos-hv";
        case exit_filter: return "its system call filter";
        default: return "it ended early";
    }
}

int setup_errno(int exit_code) {
    return exit_code == exit_memory ? ENOMEM : EPERM;
}

}  // namespace hypervisor::process
