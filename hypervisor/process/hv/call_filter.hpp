// SPDX-License-Identifier: Apache-2.0
// The system call filter of a domain, and the sealed pages of code that it lies behind.
#pragma once

#include <seccomp.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace hypervisor::process {

/// What comes of a call that a filter does not allow. Either way it is not made.
enum class Otherwise : std::uint32_t {
    kill = SCMP_ACT_KILL_PROCESS,
    trap = SCMP_ACT_TRAP,  ///< SIGSYS, for a handler that tells of it; without one, or where it is blocked, it kills
    fail = SCMP_ACT_ERRNO(EPERM),
};

/// An allow-list. A call of another architecture (32-bit, x32) kills the process.
class CallFilter {
 public:
    explicit CallFilter(Otherwise otherwise);

    /// Allows `call` where all `conditions` on its arguments hold.
    void allow(long call, std::initializer_list<scmp_arg_cmp> conditions = {});

    /// As a BPF program: struct sock_filter, one after the other.
    base::Result<std::vector<std::byte>> compile() const;

 private:
    std::unique_ptr<void, decltype(&seccomp_release)> filter_;
    int failed_{0};
};

/// struct sock_fprog, without its holes.
struct FilterProgram {
    std::uint64_t count;    ///< of instructions, 8 bytes each
    std::uint64_t address;  ///< of the first
};

/// A sealed memfd: code, then its filter.
struct SealedCode {
    base::Fd memory;
    std::size_t size{0};       ///< in whole pages
    std::size_t filter_at{0};  ///< offset of the filter
    std::size_t filter_size{0};
};

/// `patch` may change the code, and is told where the filter will be.
base::Result<SealedCode> seal_code(std::span<const std::byte> code, std::span<const std::byte> filter,
                                   const std::function<void(std::span<std::byte>, std::size_t filter_at)>& patch);

}  // namespace hypervisor::process
