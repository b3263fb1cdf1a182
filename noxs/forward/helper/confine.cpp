// SPDX-License-Identifier: Apache-2.0
#include "noxs/forward/helper/confine.hpp"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "hypervisor/process/hv/call_filter.hpp"

namespace noxs::forward {

namespace {

using hypervisor::process::CallFilter;
using hypervisor::process::Otherwise;

constexpr std::uint32_t low_ports = 1U << CAP_NET_BIND_SERVICE;

base::Result<void> drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> held{};
    ::syscall(SYS_capget, &header, held.data());
    const std::uint32_t kept = held[0].permitted & low_ports;
    const std::array<__user_cap_data_struct, 2> wanted{{{kept, kept, 0}, {}}};
    if (::syscall(SYS_capset, &header, wanted.data()) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return base::fail_errno(errno, "giving up capabilities");
    }
    return {};
}

/// Refused calls fail with EPERM: libslirp meets that where it only wants to know more (its random numbers).
base::Result<void> filter_calls() {
    CallFilter filter(Otherwise::fail);
    for (const long call :
         {SYS_read,           SYS_write,          SYS_close,       SYS_poll,       SYS_ppoll,         SYS_bind,
          SYS_listen,         SYS_accept4,        SYS_getsockname, SYS_getsockopt, SYS_setsockopt,    SYS_shutdown,
          SYS_sendto,         SYS_sendmsg,        SYS_recvfrom,    SYS_recvmsg,    SYS_fcntl,         SYS_brk,
          SYS_munmap,         SYS_mremap,         SYS_madvise,     SYS_futex,      SYS_clock_gettime, SYS_gettimeofday,
          SYS_getrandom,      SYS_getpid,         SYS_getppid,     SYS_exit,       SYS_exit_group,    SYS_rt_sigreturn,
          SYS_rt_sigprocmask, SYS_restart_syscall}) {
        filter.allow(call);
    }
    constexpr std::uint64_t executable = 0x4;  // PROT_EXEC
    filter.allow(SYS_mmap, {SCMP_A2(SCMP_CMP_MASKED_EQ, executable, 0)});
    filter.allow(SYS_mprotect, {SCMP_A2(SCMP_CMP_MASKED_EQ, executable, 0)});
    filter.allow(SYS_prlimit64, {SCMP_A2(SCMP_CMP_EQ, 0)});  // reads limits, changes none
    constexpr std::uint64_t type_bits = 0xf;                 // without SOCK_CLOEXEC and SOCK_NONBLOCK
    filter.allow(SYS_socket, {SCMP_A0(SCMP_CMP_EQ, AF_INET), SCMP_A1(SCMP_CMP_MASKED_EQ, type_bits, SOCK_STREAM)});
    BASE_ASSIGN(auto program, filter.compile());
    const sock_fprog loaded{static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
                            reinterpret_cast<sock_filter*>(program.data())};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &loaded) != 0) {
        return base::fail_errno(errno, "system call filter");
    }
    return {};
}

}  // namespace

base::Result<void> confine() {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    BASE_TRY(drop_capabilities());
    ::prctl(PR_SET_DUMPABLE, 0);
    return filter_calls();
}

}  // namespace noxs::forward
