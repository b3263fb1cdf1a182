// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/call_filter.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/ids.hpp"

namespace hypervisor::process {

CallFilter::CallFilter(Otherwise otherwise)
    : filter_(seccomp_init(static_cast<std::uint32_t>(otherwise)), &seccomp_release) {
    failed_ =
        filter_ == nullptr ? -ENOMEM : seccomp_attr_set(filter_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
}

void CallFilter::allow(long call, std::initializer_list<scmp_arg_cmp> conditions) {
    if (failed_ == 0) {
        failed_ = seccomp_rule_add_exact_array(filter_.get(), SCMP_ACT_ALLOW, static_cast<int>(call),
                                               static_cast<unsigned>(conditions.size()), conditions.begin());
    }
}

base::Result<std::vector<std::byte>> CallFilter::compile() const {
    const base::Fd file(::memfd_create("filter", MFD_CLOEXEC));
    int failed = failed_;
    if (failed == 0) {
        failed = file ? seccomp_export_bpf(filter_.get(), file.get()) : -errno;
    }
    if (failed != 0) {
        return base::fail_errno(-failed, "system call filter");
    }
    const auto size = ::lseek(file.get(), 0, SEEK_END);
    std::vector<std::byte> program(static_cast<std::size_t>(std::max<off_t>(size, 0)));
    if (program.empty() || program.size() % sizeof(sock_filter) != 0 ||
        ::pread(file.get(), program.data(), program.size(), 0) != size) {
        return base::fail(base::Code::internal, "system call filter of an unexpected size");
    }
    return program;
}

base::Result<SealedCode> seal_code(std::span<const std::byte> code, std::span<const std::byte> filter,
                                   const std::function<void(std::span<std::byte>, std::size_t filter_at)>& patch) {
    SealedCode sealed;
    sealed.filter_at = (code.size() + 7) & ~std::size_t{7};
    sealed.filter_size = filter.size();
    sealed.size = (sealed.filter_at + filter.size() + base::page_size - 1) & ~(base::page_size - 1);
    std::vector<std::byte> bytes(sealed.size);
    std::copy(code.begin(), code.end(), bytes.begin());
    std::copy(filter.begin(), filter.end(), bytes.begin() + static_cast<std::ptrdiff_t>(sealed.filter_at));
    if (patch) {
        patch(bytes, sealed.filter_at);
    }
    sealed.memory.reset(::memfd_create("domain-code", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!sealed.memory || ::write(sealed.memory.get(), bytes.data(), bytes.size()) != ssize_t(bytes.size()) ||
        ::fcntl(sealed.memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        return base::fail_errno(errno, "code of the domains");
    }
    return sealed;
}

}  // namespace hypervisor::process
