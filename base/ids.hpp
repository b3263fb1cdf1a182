// SPDX-License-Identifier: Apache-2.0
// Strong ids and sizes. Freestanding: guests include it too.
#pragma once

#include <compare>
#include <cstdint>

namespace base {

/// A number that can't be mixed up with another kind of number.
template <class Tag, class Rep>
struct StrongId {
    using rep = Rep;
    Rep value{};

    constexpr StrongId() = default;
    constexpr explicit StrongId(Rep v) : value(v) {}
    friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
};

/// A domain. Xen's domid_t; valid guests are 1 .. 0x7fef (xen.h: DOMID_FIRST_RESERVED = 0x7ff0). 0 is the toolstack.
using DomId = StrongId<struct DomIdTag, std::uint16_t>;
inline constexpr DomId dom0{0};
inline constexpr std::uint16_t first_reserved_domid = 0x7ff0;

/// A guest frame number: guest-physical address / 4096.
using Gfn = StrongId<struct GfnTag, std::uint64_t>;

/// An event channel port as the guest numbers it. 0 is never a valid port.
using EvtchnPort = StrongId<struct EvtchnPortTag, std::uint32_t>;

/// An index in the guest's grant table. Refs 0..7 are reserved for tools (grant_table.h: GNTTAB_NR_RESERVED_ENTRIES).
using GrantRef = StrongId<struct GrantRefTag, std::uint32_t>;

/// A count of bytes.
struct Bytes {
    std::uint64_t value{};

    constexpr Bytes() = default;
    constexpr explicit Bytes(std::uint64_t v) : value(v) {}
    friend constexpr auto operator<=>(const Bytes&, const Bytes&) = default;
};

constexpr Bytes kib(std::uint64_t n) {
    return Bytes{n << 10};
}
constexpr Bytes mib(std::uint64_t n) {
    return Bytes{n << 20};
}

inline constexpr std::uint64_t page_shift = 12;
inline constexpr std::uint64_t page_size = 1U << page_shift;

constexpr std::uint64_t gpa_of(Gfn gfn) {
    return gfn.value << page_shift;
}
constexpr Gfn gfn_of(std::uint64_t gpa) {
    return Gfn{gpa >> page_shift};
}

}  // namespace base
