// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/checksum.hpp"

namespace guest {

namespace {

constexpr std::size_t ethernet_header = 14;
constexpr std::size_t ipv4_header = 20;
constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t udp = 17;
constexpr std::size_t tcp_checksum = 16;
constexpr std::size_t udp_checksum = 6;

std::uint32_t big16(const std::byte* at) {
    return static_cast<std::uint32_t>(at[0]) << 8 | static_cast<std::uint32_t>(at[1]);
}

}  // namespace

std::uint16_t ones_sum(std::span<const std::byte> bytes, std::uint32_t sum) {
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2) {
        sum += big16(&bytes[i]);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    if (i < bytes.size()) {
        sum += static_cast<std::uint32_t>(bytes[i]) << 8;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

bool put_pseudo_header_sum(std::span<std::byte> frame) {
    if (frame.size() < ethernet_header + ipv4_header || big16(&frame[12]) != 0x0800) {
        return false;
    }
    const auto packet = frame.subspan(ethernet_header);
    const std::size_t header = (static_cast<std::size_t>(packet[0]) & 0xf) * 4;
    const std::size_t length = big16(&packet[2]);
    const auto protocol = static_cast<std::uint8_t>(packet[9]);
    const bool fragment = (big16(&packet[6]) & 0x3fff) != 0;
    const std::size_t field = header + (protocol == tcp ? tcp_checksum : udp_checksum);
    if ((protocol != tcp && protocol != udp) || fragment || header < ipv4_header || length > packet.size() ||
        field + 2 > length) {
        return false;
    }
    const std::uint32_t begin = protocol + static_cast<std::uint32_t>(length - header);
    const std::uint16_t sum = ones_sum(packet.subspan(12, 8), begin);  // source and destination
    packet[field] = static_cast<std::byte>(sum >> 8);
    packet[field + 1] = static_cast<std::byte>(sum & 0xff);
    return true;
}

}  // namespace guest
