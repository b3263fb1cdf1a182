// SPDX-License-Identifier: Apache-2.0
// What is read from the headers of frames. All of them may come from a guest: nothing is believed beyond the bytes there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "noxs/net_address.hpp"
#include "noxs/switch/port.hpp"

namespace noxs {

inline constexpr std::size_t ethernet_header = 14;
inline constexpr std::size_t vlan_tag = 4;

using FrameBytes = std::span<const std::byte>;

/// A MAC address as a number, for tables. `at` has 6 bytes.
std::uint64_t mac_key(const std::byte* at);
std::uint64_t mac_key(const Mac& mac);

/// Of a frame of at least ethernet_header bytes.
inline std::uint64_t destination_key(FrameBytes frame) {
    return mac_key(frame.data());
}
inline std::uint64_t source_key(FrameBytes frame) {
    return mac_key(frame.data() + 6);
}
inline bool is_multicast(std::uint64_t key) {
    return (key & 1) != 0;  // the first byte on the wire is the lowest
}
/// 01:80:c2:00:00:0x, which bridges never pass on (IEEE 802.1D, 7.12.6): spanning tree, pause, LLDP.
bool is_link_local(std::uint64_t key);

/// The whole of a vif as the switch knows it.
struct Station {
    Mac mac{};
    Ipv4 ipv4{};  ///< 0.0.0.0: none
    Ipv6 ipv6{};  ///< ::  none
    bool check_source{true};
};

/// Who a frame says it is from, beyond its source MAC.
struct Sender {
    enum class Kind : std::uint8_t {
        ipv4,       ///< `ipv4`: the source address, or the sender of an ARP packet
        ipv6,       ///< `ipv6`
        malformed,  ///< too short, two VLAN tags, an ARP packet that is none
        /// What only the network's owner sends: a VLAN's frames, anything but ARP and IP, IPv6 router advertisements and
        /// redirects, hidden discovery, answers of DHCP servers.
        forbidden,
    };
    Kind kind{Kind::forbidden};
    bool unspecified_allowed{false};  ///< DHCP, ARP probe: 0.0.0.0 is an honest sender
    std::uint64_t arp_mac{0};         ///< of ARP: the sender's MAC in the packet, else 0
    Ipv4 ipv4{};
    Ipv6 ipv6{};
    Ipv6 advertised{};  ///< the target of an IPv6 neighbour advertisement
};
Sender sender_of(FrameBytes frame);

/// Whether `self` may say that. An IPv4 sender of a station without an address is left to the caller.
bool agrees(const Sender& sender, const Station& self);

/// Whose hardware address the frame asks for, if it is an ARP request.
std::optional<Ipv4> arp_target(FrameBytes frame);

/// Which address an IPv6 neighbour solicitation asks for.
std::optional<Ipv6> solicitation_target(FrameBytes frame);

/// Where the TCP or UDP checksum of a frame stands; nothing for other frames.
struct ChecksumPlace {
    std::uint16_t start;
    std::uint16_t offset;
};
std::optional<ChecksumPlace> find_checksum(FrameBytes frame);

/// Whether `start` and `offset` of a frame lie inside it.
bool checksum_inside(const Frame& frame);
/// Completes the checksum of a frame in `bytes`; `checksum_inside` held for it.
void fill_checksum(std::span<std::byte> bytes, std::uint16_t start, std::uint16_t offset);

}  // namespace noxs
