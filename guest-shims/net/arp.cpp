// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/arp.hpp"

namespace guest {

namespace {

constexpr std::uint32_t ethernet_ipv4 = 0x0001'0800;
constexpr std::uint16_t address_sizes = 0x0604;

}  // namespace

std::optional<Arp> Arp::parse(std::span<const std::byte> frame) {
    if (frame.size() < frame_size) {
        return std::nullopt;
    }
    const std::byte* body = &frame[ethernet_size];
    if (load32(body) != ethernet_ipv4 || load16(body + 4) != address_sizes) {
        return std::nullopt;
    }
    Arp arp{static_cast<Operation>(load16(body + 6)), {}, load32(body + 14), load32(body + 24)};
    __builtin_memcpy(arp.sender_mac, body + 8, sizeof arp.sender_mac);
    return arp;
}

void Arp::write(std::byte* frame, const Mac& to) const {
    put_ethernet(frame, to, sender_mac, type_arp);
    std::byte* body = frame + ethernet_size;
    store32(body, ethernet_ipv4);
    store16(body + 4, address_sizes);
    store16(body + 6, static_cast<std::uint16_t>(operation));
    __builtin_memcpy(body + 8, sender_mac, sizeof sender_mac);
    store32(body + 14, sender);
    if (operation == Operation::request) {
        __builtin_memset(body + 18, 0, sizeof to);
    } else {
        __builtin_memcpy(body + 18, to, sizeof to);
    }
    store32(body + 24, target);
}

}  // namespace guest
