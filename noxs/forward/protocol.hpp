// SPDX-License-Identifier: Apache-2.0
// Between chaosd and chaos-forward: one SOCK_SEQPACKET socket, two kinds of connection. Each begins with a Hello.
//
// control: Request, Reply, Request, Reply ...
// frames:  a FrameHeader and an Ethernet frame in each message, both ways; nothing is answered. One at a time: a new one
//          takes the place of the old one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace noxs::forward {

inline constexpr std::uint32_t protocol_version = 1;
inline constexpr std::uint32_t magic = 0x66776463;  // "cdwf"

enum class Role : std::uint32_t { control = 1, frames = 2 };

/// Chaosd's first message; on a control connection answered by a Reply. Never changes: versions tell each other by it.
struct Hello {
    std::uint32_t magic;    //  0
    std::uint32_t version;  //  4
    Role role;              //  8
};
static_assert(sizeof(Hello) == 12 && std::has_unique_object_representations_v<Hello>);

enum class Op : std::uint32_t {
    stop = 1,    ///< all versions understand this one: ends chaos-forward and every connection through it
    add = 2,     ///< host_port 0: any free one, told in the reply
    remove = 3,  ///< by listen and host_port
    list = 4,    ///< `index` counts from 0; ENOENT behind the last
};

/// Addresses in network byte order, ports in the host's.
struct Port {
    std::array<std::uint8_t, 4> listen;  //  0
    std::array<std::uint8_t, 4> guest;   //  4
    std::uint16_t host_port;             //  8
    std::uint16_t guest_port;            // 10
};
static_assert(sizeof(Port) == 12 && std::has_unique_object_representations_v<Port>);

struct Request {
    Op op;                //  0
    std::uint32_t index;  //  4
    Port port;            //  8
};
static_assert(sizeof(Request) == 20 && std::has_unique_object_representations_v<Request>);

struct Reply {
    std::int32_t error;                   //  0  errno; 0: done
    std::array<std::uint8_t, 4> address;  //  4  of Hello: chaos-forward's own
    std::uint32_t prefix;                 //  8
    Port port;                            // 12
};
static_assert(sizeof(Reply) == 24 && std::has_unique_object_representations_v<Reply>);

struct FrameHeader {
    std::uint16_t checksum_start;   //  0  as in Frame
    std::uint16_t checksum_offset;  //  2
};
static_assert(sizeof(FrameHeader) == 4 && std::has_unique_object_representations_v<FrameHeader>);

inline constexpr std::size_t ethernet_header = 14;
/// Of what a vif can send (its MTU is at most 65521) and a VLAN tag.
inline constexpr std::size_t max_frame = 65535 + ethernet_header + 4;

}  // namespace noxs::forward
