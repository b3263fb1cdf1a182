// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "hypervisor/hypervisor.hpp"

namespace hypervisor::xen {

/// What Xen remembers of a domain for its toolstack: 16 bytes, the domain's "handle" (domctl.h: xen_domain_handle_t),
/// which no guest can change. It tells a later daemon which domains are its own and how they are laid out.
struct DomainTag {
    GuestKind kind{GuestKind::native};
    std::uint16_t control_pages{0};
    std::uint32_t memory_pages{0};
    std::uint32_t instance{0};  ///< of the daemon, `instance_of` its runtime directory
    bool loaded{false};         ///< foreign: its loader is done (a native guest's boot page tells)

    friend bool operator==(const DomainTag&, const DomainTag&) = default;
};

using DomainHandle = std::uint8_t[16];

/// Tells daemons of one host apart (FNV-1a of the path).
std::uint32_t instance_of(std::string_view runtime_dir) noexcept;

void encode(const DomainTag& tag, std::span<std::uint8_t, 16> handle) noexcept;
/// Nothing when the domain was made by something else.
std::optional<DomainTag> decode(std::span<const std::uint8_t, 16> handle) noexcept;

}  // namespace hypervisor::xen
