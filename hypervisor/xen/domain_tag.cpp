// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/domain_tag.hpp"

#include <bit>
#include <cstring>

namespace hypervisor::xen {

namespace {

constexpr std::uint32_t tag_magic = 0x53584f4e;  // "NOXS", little endian
constexpr std::uint8_t tag_version = 1;
constexpr std::uint8_t loaded_bit = 0x80;

struct Packed {
    std::uint32_t magic;          //  0
    std::uint8_t version;         //  4
    std::uint8_t kind;            //  5
    std::uint16_t control_pages;  //  6
    std::uint32_t memory_pages;   //  8
    std::uint32_t instance;       // 12
};
static_assert(sizeof(Packed) == 16 && std::has_unique_object_representations_v<Packed>);

}  // namespace

std::uint32_t instance_of(std::string_view runtime_dir) noexcept {
    std::uint32_t hash = 2166136261;
    for (const char c : runtime_dir) {
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619;
    }
    return hash;
}

void encode(const DomainTag& tag, std::span<std::uint8_t, 16> handle) noexcept {
    const auto kind = static_cast<std::uint8_t>(static_cast<std::uint8_t>(tag.kind) | (tag.loaded ? loaded_bit : 0));
    const Packed packed{tag_magic, tag_version, kind, tag.control_pages, tag.memory_pages, tag.instance};
    std::memcpy(handle.data(), &packed, sizeof packed);
}

std::optional<DomainTag> decode(std::span<const std::uint8_t, 16> handle) noexcept {
    Packed packed{};
    std::memcpy(&packed, handle.data(), sizeof packed);
    const std::uint8_t kind = packed.kind & static_cast<std::uint8_t>(~loaded_bit);
    if (packed.magic != tag_magic || packed.version != tag_version || kind > static_cast<std::uint8_t>(GuestKind::pv) ||
        packed.control_pages > max_control_pages) {
        return std::nullopt;
    }
    return DomainTag{static_cast<GuestKind>(kind), packed.control_pages, packed.memory_pages, packed.instance,
                     (packed.kind & loaded_bit) != 0};
}

}  // namespace hypervisor::xen
