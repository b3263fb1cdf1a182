// SPDX-License-Identifier: Apache-2.0
// A kind of domain that chaos-hv can own: what its process does instead of being chaos-hv. One implementation a driver.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "hypervisor/process/hv_protocol.hpp"

namespace hypervisor::process {

inline constexpr unsigned max_threads = 64;  ///< of one domain: one a vCPU

/// What a child that becomes a domain tells chaos-hv, in memory that both see until the child leaves chaos-hv's code.
struct SetupReport {
    std::int32_t error{0};          ///< errno of the step that failed
    std::array<char, 188> why{};    ///< which step that was, and its error; ends in NUL. Empty: none failed
    std::uint32_t thread_count{0};  ///< beside the first
    std::array<pid_t, max_threads> threads{};
};

struct DomainShape {
    std::uint64_t memory{0};  ///< bytes of guest-physical memory
    std::uint16_t control_pages{0};
    std::uint8_t spare_pages{0};  ///< of them, the last ones, which are not given before they are used
    bool data_lane{false};        ///< it has a second doorbell
    std::uint32_t vcpus{1};

    /// Where the control pages end that every such guest uses.
    std::uint64_t early_end() const {
        return abi::control_gpa + std::uint64_t{control_pages - std::uint32_t{spare_pages}} * base::page_size;
    }
};

/// What a child is made from.
struct ChildSpec {
    base::DomId id;
    pid_t parent{0};
    int memory_fd{-1};  ///< offset = guest-physical address
    DomainShape shape;
    SetupReport* report{nullptr};
};

/// What there is of a domain whose process has ended.
struct Remains {
    int memory_fd;
    const DomainShape& shape;
    int how;     ///< waitid(2): CLD_*
    int status;  ///< its exit code or signal
};

/// How a domain ended; `cause` in words, where the record does not say all.
struct Ending {
    DeathRecord record{};
    std::string cause{};
};

// Exit codes of a child that could not be confined (trampoline.S).
inline constexpr int exit_unmap = 250;
inline constexpr int exit_filter = 251;

class DomainKind {
 public:
    virtual ~DomainKind() = default;

    virtual Kind kind() const = 0;

    /// The most vCPUs of one domain.
    virtual unsigned max_vcpus() const { return 1; }

    /// Whether such domains may fail to run on this host, so that one is made to find out before the kind is offered.
    virtual bool is_uncertain() const { return false; }

    /// Host memory, in bytes, that such a domain needs behind its own: the memory file is that much longer.
    virtual std::uint64_t extra_memory(const DomainShape&) const { return 0; }

    /// In the child, a copy of chaos-hv that shares chaos-hv's descriptors. Ends parked and confined after one ring of
    /// the doorbell, or exits with the reason in `spec.report`.
    [[noreturn]] virtual void become(const ChildSpec& spec) const = 0;

    /// What is to know of this host beside, with the fix; empty: nothing.
    virtual std::string note() const { return {}; }

    /// Why a child ended that had left chaos-hv's code, but was not parked yet: in words.
    virtual std::string explain_setup(const Remains& remains) const;

    /// How a domain ended.
    virtual Ending ending_of(const Remains& remains) const = 0;

 protected:
    DomainKind() = default;
    DomainKind(const DomainKind&) = delete;
    DomainKind& operator=(const DomainKind&) = delete;
};

/// One kind as chaos-hv offers it: there, or the reason why not.
using Offer = base::Result<std::unique_ptr<DomainKind>>;
/// By Kind, in its order.
using Offers = std::array<Offer, kind_count>;

}  // namespace hypervisor::process
