// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/confinement.hpp"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace hypervisor::process {

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
