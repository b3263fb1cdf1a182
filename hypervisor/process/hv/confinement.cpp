// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/confinement.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/ids.hpp"
#include "hypervisor/process/process_abi.hpp"

extern "C" {
extern const std::byte chaos_trampoline[];
extern const std::byte chaos_trampoline_crash[];
extern const std::byte chaos_trampoline_program[];
extern const std::byte chaos_trampoline_end[];
}

namespace hypervisor::process {

namespace {

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

/// Adds "this call with these arguments is allowed".
template <class... Conditions>
int allow(const Filter& filter, long call, Conditions... conditions) {
    return seccomp_rule_add_exact(filter.get(), SCMP_ACT_ALLOW, static_cast<int>(call), sizeof...(conditions),
                                  conditions...);
}

scmp_arg_cmp argument(unsigned index, scmp_compare op, std::uint64_t value) {
    return {index, op, value, 0};
}

/// The allow-list of process_abi.hpp, as BPF.
base::Result<std::array<sock_filter, 256>> compile_filter(std::size_t& count) {
    constexpr auto wake = abi::event_page_gpa + offsetof(abi::EventPage, wake);
    const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release);
    int failed = filter == nullptr ? -ENOMEM : 0;
    const auto add = [&](int result) { failed = failed != 0 ? failed : result; };
    if (failed == 0) {
        add(seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
        add(allow(filter, abi::nr_write, argument(0, SCMP_CMP_EQ, abi::doorbell_fd), argument(2, SCMP_CMP_EQ, 8)));
        add(allow(filter, abi::nr_futex, argument(0, SCMP_CMP_EQ, wake), argument(1, SCMP_CMP_EQ, FUTEX_WAIT)));
        add(allow(filter, abi::nr_clock_gettime, argument(0, SCMP_CMP_LE, 1)));
        add(allow(filter, abi::nr_getrandom, argument(1, SCMP_CMP_LE, 256), argument(2, SCMP_CMP_EQ, 0)));
        add(allow(filter, abi::nr_exit_group));
    }
    const base::Fd file(::memfd_create("filter", MFD_CLOEXEC));
    std::array<sock_filter, 256> program{};
    if (failed == 0) {
        failed = file ? seccomp_export_bpf(filter.get(), file.get()) : -errno;
    }
    if (failed != 0) {
        return base::fail_errno(-failed, "system call filter");
    }
    const auto size = ::pread(file.get(), program.data(), sizeof program, 0);
    if (size <= 0 || size == sizeof program || size % sizeof(sock_filter) != 0) {
        return base::fail(base::Code::internal, "system call filter of an unexpected size");
    }
    count = static_cast<std::size_t>(size) / sizeof(sock_filter);
    return program;
}

}  // namespace

base::Result<Trampoline> make_trampoline() {
    std::size_t count = 0;
    BASE_ASSIGN(const auto filter, compile_filter(count));
    const auto code_size = static_cast<std::size_t>(chaos_trampoline_end - chaos_trampoline);
    const auto filter_at = (code_size + 7) & ~std::size_t{7};
    std::array<std::byte, base::page_size> page{};
    if (filter_at + count * sizeof(sock_filter) > page.size()) {
        return base::fail(base::Code::internal, "trampoline does not fit into its page");
    }
    std::memcpy(page.data(), chaos_trampoline, code_size);
    std::memcpy(page.data() + filter_at, filter.data(), count * sizeof(sock_filter));
    const std::array<std::uint64_t, 2> program{count, abi::trampoline_gpa + filter_at};
    std::memcpy(page.data() + (chaos_trampoline_program - chaos_trampoline), program.data(), sizeof program);

    Trampoline trampoline;
    trampoline.page.reset(::memfd_create("trampoline", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!trampoline.page || ::write(trampoline.page.get(), page.data(), page.size()) != ssize_t{base::page_size} ||
        ::fcntl(trampoline.page.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        return base::fail_errno(errno, "trampoline page");
    }
    trampoline.entry = abi::trampoline_gpa;
    trampoline.crash_handler =
        abi::trampoline_gpa + static_cast<std::uint64_t>(chaos_trampoline_crash - chaos_trampoline);
    return trampoline;
}

namespace {

/// An empty read-only root, so that not even a path can be named.
bool enter_empty_root() {
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0500") == 0 &&
           ::chdir("/tmp") == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0 && ::umount2(".", MNT_DETACH) == 0 &&
           ::chdir("/") == 0;
}

base::Result<void> drop_capabilities() {
    for (int capability = 0; capability <= 63; ++capability) {
        if (::prctl(PR_CAPBSET_READ, capability) == 1) {
            ::prctl(PR_CAPBSET_DROP,
                    capability);  // needs CAP_SETPCAP; without it there is nothing to gain by exec either
        }
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const std::array<__user_cap_data_struct, 2> none{};
    if (::syscall(SYS_capset, &header, none.data()) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return base::fail_errno(errno, "giving up capabilities");
    }
    return {};
}

}  // namespace

base::Result<std::vector<std::string>> confine_self() {
    std::vector<std::string> missing;
    constexpr int empty_namespaces = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
    if (::unshare(empty_namespaces) != 0 && ::unshare(CLONE_NEWUSER | empty_namespaces) != 0) {
        missing.push_back(std::string("no empty namespaces: ") + std::strerror(errno) +
                          " (allow them with sysctl kernel.unprivileged_userns_clone=1)");
    } else if (!enter_empty_root()) {
        missing.push_back(std::string("no empty root directory: ") + std::strerror(errno));
    }
    BASE_TRY(drop_capabilities());
    return missing;
}

}  // namespace hypervisor::process
