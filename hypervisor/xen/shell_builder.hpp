// SPDX-License-Identifier: Apache-2.0
// Prepare: everything about a domain that does not depend on its image.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/xen/boot_state.hpp"
#include "hypervisor/xen/domain_tag.hpp"
#include "hypervisor/xen/libxen.hpp"

namespace hypervisor::xen {

/// Makes paused domains. Thread-safe as long as each thread brings its own Toolstack.
class ShellBuilder {
 public:
    /// `hap`: the processor pages guest memory itself.
    ShellBuilder(std::uint32_t instance, bool hap) : instance_(instance), hap_(hap) {}

    struct Shell {
        base::DomId domain;
        DomainTag tag;
    };

    /// Native: domain, limits, memory, shared info, grant table, vCPU. Foreign: domain and limits only; its own loader
    /// does the rest. Blocks for all of it; on error nothing is left.
    Result<Shell> build(const Toolstack& toolstack, const ShellSpec& spec);

 private:
    Result<base::DomId> create(const Toolstack& toolstack, const ShellSpec& spec, const DomainTag& tag) const;
    Result<void> build_native(const Toolstack& toolstack, base::DomId domain, const ShellSpec& spec);
    Result<HvmHeader> header(const Toolstack& toolstack, base::DomId domain);

    std::uint32_t instance_;
    bool hap_;
    std::mutex mutex_;
    std::optional<HvmHeader> header_;  // guarded by mutex_
};

/// What ENOMEM means: no_memory, or limit_reached where there is enough. Xen answers it also when it has no domain id left
/// (xen/common/domctl.c: createdomain).
base::Error shortage(std::string_view what, std::uint64_t need_kib, std::uint64_t free_kib);

/// The same for a domain that is being filled: what it has got already counts as free.
base::Error shortage_of(const Toolstack& toolstack, base::DomId domain, std::string_view what, base::Bytes memory);

/// Renews what Xen remembers of a domain for us.
Result<void> set_tag(const Toolstack& toolstack, base::DomId domain, const DomainTag& tag);

/// Ends a domain at once and gives its memory back. Its pages must not be mapped here any more.
Result<void> destroy_domain(const Toolstack& toolstack, base::DomId domain);

}  // namespace hypervisor::xen
