// SPDX-License-Identifier: Apache-2.0
#include "noxs/switch/frame.hpp"

#include <algorithm>
#include <cstring>

namespace noxs {

namespace {

constexpr std::uint16_t type_ipv4 = 0x0800;
constexpr std::uint16_t type_arp = 0x0806;
constexpr std::uint16_t type_vlan = 0x8100;
constexpr std::uint16_t type_service_vlan = 0x88a8;
constexpr std::uint16_t type_ipv6 = 0x86dd;
constexpr std::uint8_t protocol_tcp = 6;
constexpr std::uint8_t protocol_udp = 17;
constexpr std::uint8_t protocol_icmpv6 = 58;
constexpr std::uint8_t router_advertisement = 134;
constexpr std::uint8_t neighbour_solicitation = 135;
constexpr std::uint8_t neighbour_advertisement = 136;
constexpr std::uint8_t redirect = 137;
constexpr std::uint8_t first_discovery = 133;
constexpr std::uint8_t extension_fragment = 44;
constexpr std::uint16_t dhcp_server_port = 67;
constexpr std::uint16_t dhcpv6_server_port = 547;
constexpr std::size_t ipv4_header = 20;
constexpr std::size_t ipv6_header = 40;
constexpr std::size_t arp_packet = 28;

std::uint8_t byte_at(FrameBytes bytes, std::size_t at) {
    return std::to_integer<std::uint8_t>(bytes[at]);
}
std::uint16_t word_at(FrameBytes bytes, std::size_t at) {
    return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}
template <class Address>
Address address_at(FrameBytes bytes, std::size_t at) {
    Address address;
    std::memcpy(address.bytes.data(), bytes.data() + at, address.bytes.size());
    return address;
}

/// The ethertype behind at most one VLAN tag, and what follows it.
struct Payload {
    std::uint16_t type{0};
    std::size_t at{0};
    bool tagged() const { return at != ethernet_header; }
};
std::optional<Payload> payload_of(FrameBytes frame) {
    if (frame.size() < ethernet_header) {
        return std::nullopt;
    }
    Payload payload{word_at(frame, 12), ethernet_header};
    const auto tagged = [&] { return payload.type == type_vlan || payload.type == type_service_vlan; };
    if (tagged()) {
        if (frame.size() < ethernet_header + vlan_tag) {
            return std::nullopt;
        }
        payload = {word_at(frame, 16), ethernet_header + vlan_tag};
    }
    return tagged() ? std::nullopt : std::optional(payload);
}

/// For Ethernet and IPv4.
bool is_arp(FrameBytes packet) {
    return packet.size() >= arp_packet && word_at(packet, 0) == 1 && word_at(packet, 2) == type_ipv4 &&
           word_at(packet, 4) == 0x0604;
}

Sender arp_sender(FrameBytes packet) {
    if (!is_arp(packet)) {
        return {.kind = Sender::Kind::malformed};
    }
    return {.kind = Sender::Kind::ipv4,
            .unspecified_allowed = true,
            .arp_mac = mac_key(packet.data() + 8),
            .ipv4 = address_at<Ipv4>(packet, 14)};
}

Sender ipv4_sender(FrameBytes packet) {
    if (packet.size() < ipv4_header || byte_at(packet, 0) >> 4 != 4) {
        return {.kind = Sender::Kind::malformed};
    }
    Sender sender{.kind = Sender::Kind::ipv4, .ipv4 = address_at<Ipv4>(packet, 12)};
    const std::size_t header = (byte_at(packet, 0) & 15U) * 4U;
    const bool later_fragment = (word_at(packet, 6) & 0x1fff) != 0;
    if (byte_at(packet, 9) != protocol_udp || later_fragment) {
        return sender;
    }
    if (header < ipv4_header || packet.size() < header + 4) {
        return {.kind = Sender::Kind::malformed};
    }
    sender.kind = word_at(packet, header) == dhcp_server_port ? Sender::Kind::forbidden : sender.kind;
    sender.unspecified_allowed = word_at(packet, header + 2) == dhcp_server_port;
    return sender;
}

/// Hop-by-hop, routing, fragment, destination options.
bool is_extension(std::uint8_t next) {
    return next == 0 || next == 43 || next == extension_fragment || next == 60;
}

/// The upper protocol of an IPv6 packet, and where it begins.
struct Upper {
    std::uint8_t protocol{0};
    std::size_t at{ipv6_header};
    bool behind{false};          ///< extension headers
    bool later_fragment{false};  ///< its beginning is in another packet
};
/// Nothing for a chain of headers that is cut off or too long: who looks no further must not believe what follows.
std::optional<Upper> upper_of(FrameBytes packet) {
    Upper upper{.protocol = byte_at(packet, 6)};
    for (unsigned headers = 0; is_extension(upper.protocol); ++headers) {
        if (headers == 8 || packet.size() < upper.at + 8) {
            return std::nullopt;
        }
        upper.behind = true;
        const bool fragment = upper.protocol == extension_fragment;
        const bool later = fragment && (word_at(packet, upper.at + 2) & 0xfff8) != 0;
        upper.protocol = byte_at(packet, upper.at);
        if (later) {
            upper.later_fragment = true;
            return upper;
        }
        upper.at += fragment ? 8U : (byte_at(packet, upper.at + 1) + 1U) * 8U;
    }
    return upper;
}

/// Whether only the network's owner sends that: router advertisements, redirects, answers of a DHCP server. Neighbour
/// discovery behind extension headers is nothing that anybody sound sends (RFC 7113).
bool is_forbidden(FrameBytes packet, const Upper& upper) {
    if (upper.protocol == protocol_icmpv6) {
        if (upper.later_fragment || packet.size() <= upper.at) {
            return upper.behind;
        }
        const std::uint8_t type = byte_at(packet, upper.at);
        return upper.behind ? type >= first_discovery && type <= redirect
                            : type == router_advertisement || type == redirect;
    }
    if (upper.protocol == protocol_udp && !upper.later_fragment) {
        return packet.size() < upper.at + 2 || word_at(packet, upper.at) == dhcpv6_server_port;
    }
    return false;
}

Sender ipv6_sender(FrameBytes packet) {
    if (packet.size() < ipv6_header || byte_at(packet, 0) >> 4 != 6) {
        return {.kind = Sender::Kind::malformed};
    }
    const auto upper = upper_of(packet);
    if (!upper || is_forbidden(packet, *upper)) {
        return {.kind = Sender::Kind::forbidden};
    }
    Sender sender{.kind = Sender::Kind::ipv6, .ipv6 = address_at<Ipv6>(packet, 8)};
    if (upper->protocol == protocol_icmpv6 && !upper->behind && packet.size() >= ipv6_header + 24 &&
        byte_at(packet, ipv6_header) == neighbour_advertisement) {
        sender.advertised = address_at<Ipv6>(packet, ipv6_header + 8);
    }
    return sender;
}

/// The one that is made of the MAC address (RFC 4291, appendix A): another is not told from a neighbour's.
Ipv6 link_local_of(const Mac& mac) {
    const auto& m = mac.bytes;
    const auto first = static_cast<std::uint8_t>(m[0] ^ 2);
    return {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, first, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

}  // namespace

std::uint64_t mac_key(const std::byte* at) {
    std::uint64_t key = 0;
    std::memcpy(&key, at, 6);
    return key;
}
std::uint64_t mac_key(const Mac& mac) {
    return mac_key(reinterpret_cast<const std::byte*>(mac.bytes.data()));
}
bool is_link_local(std::uint64_t key) {
    return (key & 0xf0ff'ffff'ffff) == 0x0000'00c2'8001;
}

Sender sender_of(FrameBytes frame) {
    const auto payload = payload_of(frame);
    if (!payload) {
        return {.kind = Sender::Kind::malformed};
    }
    if (payload->tagged()) {
        return {.kind = Sender::Kind::forbidden};
    }
    const auto packet = frame.subspan(payload->at);
    switch (payload->type) {
        case type_ipv4: return ipv4_sender(packet);
        case type_arp: return arp_sender(packet);
        case type_ipv6: return ipv6_sender(packet);
        default: return {.kind = Sender::Kind::forbidden};
    }
}

bool agrees(const Sender& sender, const Station& self) {
    switch (sender.kind) {
        case Sender::Kind::ipv4:
            if (sender.arp_mac != 0 && sender.arp_mac != mac_key(self.mac)) {
                return false;
            }
            return !self.ipv4 || sender.ipv4 == self.ipv4 || (!sender.ipv4 && sender.unspecified_allowed);
        case Sender::Kind::ipv6: {
            const auto own = [&](const Ipv6& address) {
                return !address || address == self.ipv6 || address == link_local_of(self.mac);
            };
            return own(sender.ipv6) && own(sender.advertised);
        }
        case Sender::Kind::malformed:
        case Sender::Kind::forbidden: return false;
    }
    return false;
}

std::optional<Ipv4> arp_target(FrameBytes frame) {
    const auto payload = payload_of(frame);
    if (!payload || payload->type != type_arp) {
        return std::nullopt;
    }
    const auto packet = frame.subspan(payload->at);
    if (!is_arp(packet) || word_at(packet, 6) != 1) {
        return std::nullopt;
    }
    return address_at<Ipv4>(packet, 24);
}

std::optional<Ipv6> solicitation_target(FrameBytes frame) {
    const auto payload = payload_of(frame);
    if (!payload || payload->type != type_ipv6) {
        return std::nullopt;
    }
    const auto packet = frame.subspan(payload->at);
    if (packet.size() < ipv6_header + 24 || byte_at(packet, 6) != protocol_icmpv6 ||
        byte_at(packet, ipv6_header) != neighbour_solicitation) {
        return std::nullopt;
    }
    return address_at<Ipv6>(packet, ipv6_header + 8);
}

std::optional<ChecksumPlace> find_checksum(FrameBytes frame) {
    const auto payload = payload_of(frame);
    if (!payload) {
        return std::nullopt;
    }
    const auto packet = frame.subspan(payload->at);
    std::size_t header = 0;
    std::uint8_t protocol = 0;
    if (payload->type == type_ipv4 && packet.size() >= ipv4_header) {
        const bool fragment = (word_at(packet, 6) & 0x3fff) != 0;  // its checksum covers more than is here
        header = fragment ? 0 : (byte_at(packet, 0) & 15U) * 4U;
        protocol = byte_at(packet, 9);
    } else if (payload->type == type_ipv6 && packet.size() >= ipv6_header) {
        header = ipv6_header;
        protocol = byte_at(packet, 6);
    }
    const std::size_t offset = protocol == protocol_tcp ? 16 : 6;
    const bool known = protocol == protocol_tcp || protocol == protocol_udp;
    if (!known || header < ipv4_header || packet.size() < header + offset + 2) {
        return std::nullopt;
    }
    return ChecksumPlace{static_cast<std::uint16_t>(payload->at + header), static_cast<std::uint16_t>(offset)};
}

bool checksum_inside(const Frame& frame) {
    return std::size_t{frame.checksum_start} + frame.checksum_offset + 2 <= frame.bytes.size();
}

void fill_checksum(std::span<std::byte> bytes, std::uint16_t start, std::uint16_t offset) {
    const auto covered = bytes.subspan(start);
    std::uint64_t sum = 0;
    std::size_t at = 0;
    for (; at + 4 <= covered.size(); at += 4) {
        std::uint32_t words = 0;
        std::memcpy(&words, covered.data() + at, sizeof words);
        sum += words;
    }
    std::uint32_t rest = 0;
    std::memcpy(&rest, covered.data() + at, covered.size() - at);
    sum += rest;
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // The sum of words as they lie in memory is the checksum as it lies in memory (RFC 1071, 2 B). 0 means "none" to UDP.
    const auto value = static_cast<std::uint16_t>(~sum);
    const std::uint16_t stored = value == 0 ? 0xffff : value;
    std::memcpy(covered.data() + offset, &stored, sizeof stored);
}

}  // namespace noxs
