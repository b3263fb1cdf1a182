// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/child_setup.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>

#include "hypervisor/process/hv/domain_process.hpp"

namespace hypervisor::process {

namespace {

/// End of user addresses with four-level paging (Documentation/arch/x86/x86_64/mm.rst), less the guard page.
constexpr std::uint64_t user_end = 0x7ffffffff000;

constexpr int exit_setup = 240;

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

}  // namespace

void give_up(const ChildSpec& spec, const base::Error& error) {
    spec.report->error = error.sys_errno;
    std::snprintf(spec.report->why.data(), spec.report->why.size(), "%s", error.message.c_str());
    ::_exit(exit_setup);
}

void require(bool ok, const ChildSpec& spec, const char* step) {
    if (!ok) {
        give_up(spec, base::sys_error(errno, step));
    }
}

void belong_to_parent(const ChildSpec& spec) {
    require(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == spec.parent, spec, "its parent is gone");
    const std::uint64_t nothing = 0;  // of what chaos-hv reads from a signalfd
    require(::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &nothing, nullptr, sizeof nothing) == 0, spec, "its signals");
    char name[16];
    std::snprintf(name, sizeof name, "chaos-dom%u", static_cast<unsigned>(spec.id.value));
    ::prctl(PR_SET_NAME, name);
}

void keep_descriptors(const ChildSpec& spec, unsigned last) {
    require(::close_range(last + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0, spec, "its descriptor table");
}

void keep_reserved_descriptors(const ChildSpec& spec, int data_doorbell) {
    keep_descriptors(spec, reserved_data_doorbell_slot);
    require(!spec.shape.data_lane || ::dup2(reserved_data_doorbell_slot, data_doorbell) == data_doorbell, spec,
            "the doorbell of its data lane");
    ::close(reserved_data_doorbell_slot);  // without a data lane, what an earlier domain left there
}

void lower_limits(const ChildSpec& spec, unsigned end) {
    const rlimit descriptors{end, end};
    const rlimit none{0, 0};
    require(::setrlimit(RLIMIT_NOFILE, &descriptors) == 0 && ::setrlimit(RLIMIT_NPROC, &none) == 0 &&
                ::setrlimit(RLIMIT_MEMLOCK, &none) == 0 && ::setrlimit(RLIMIT_MSGQUEUE, &none) == 0,
            spec, "its limits");
}

void map_shared(const ChildSpec& spec, std::uint64_t at, std::uint64_t size, int protection, int fd,
                std::uint64_t offset) {
    const auto want = reinterpret_cast<void*>(at);
    require(::mmap(want, size, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, static_cast<off_t>(offset)) == want,
            spec, "mapping its memory");
}

void touch_early(std::uint64_t from, std::uint64_t to, int advice) {
    ::madvise(reinterpret_cast<void*>(from), to - from, advice);
}

void leave_for(const ChildSpec& spec, std::uint64_t entry, std::uint64_t unmap_from) {
    require(leave_rseq(), spec, "leaving rseq");
    asm volatile("jmp *%0" : : "r"(entry), "D"(unmap_from), "S"(user_end - unmap_from) : "memory");
    __builtin_unreachable();
}

}  // namespace hypervisor::process
