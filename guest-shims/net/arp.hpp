// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "guest-shims/net/packet.hpp"

namespace guest {

inline constexpr Mac everybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/// ARP for IPv4 over Ethernet (RFC 826).
struct Arp {
    enum class Operation : std::uint16_t { request = 1, reply = 2 };
    Operation operation;
    Mac sender_mac;
    std::uint32_t sender;
    std::uint32_t target;

    static constexpr std::size_t frame_size = ethernet_size + arp_size;

    /// Nothing where `frame`, of type_arp, is something else.
    static std::optional<Arp> parse(std::span<const std::byte> frame);
    /// Writes a frame to `to` (everybody: a request), of frame_size bytes.
    void write(std::byte* frame, const Mac& to) const;
};

}  // namespace guest
