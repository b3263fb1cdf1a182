// SPDX-License-Identifier: Apache-2.0
// noxs wire format, version 1: control pages, one per device, shared by its backend and its frontend. Each field is
// written by one side only. Freestanding, self-contained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "noxs/wire/device_page.hpp"

namespace noxs::wire {

/// XenbusState (Xen, public/io/xenbus.h).
enum class State : std::uint32_t {
    unknown = 0,
    initialising = 1,
    init_wait = 2,
    initialised = 3,
    connected = 4,
    closing = 5,
    closed = 6,
    reconfiguring = 7,
    reconfigured = 8,
};

struct ControlHeader {
    std::uint16_t version;            //  0  backend; wire::version
    DeviceType type;                  //  2  backend
    std::uint32_t id;                 //  4  backend
    State backend_state;              //  8  backend
    State frontend_state;             // 12  frontend
    std::uint64_t backend_features;   // 16  backend
    std::uint64_t frontend_features;  // 24  frontend: the subset it uses
    std::uint64_t reserved[4];        // 32
};
static_assert(sizeof(ControlHeader) == 64 && offsetof(ControlHeader, backend_state) == 8);
static_assert(offsetof(ControlHeader, frontend_state) == 12 && offsetof(ControlHeader, backend_features) == 16);
static_assert(std::has_unique_object_representations_v<ControlHeader>);

/// Requests of the toolstack to a guest, as bits. The guest acknowledges a request by setting the bit in
/// `acknowledged`; a request is withdrawn or renewed by the backend after that.
enum class SysctlRequest : std::uint32_t { power_off = 1, reboot = 2, suspend = 4, resume = 8 };

/// Why the guest ends, in its own words.
enum class ShutdownReason : std::uint32_t {
    none = 0,
    power_off = 1,
    reboot = 2,
    suspend = 3,
    crash = 4,          ///< the guest gave up
    out_of_memory = 5,  ///< its allocator ran dry
};

struct SysctlControl {
    ControlHeader header;        //  0
    std::uint32_t requests;      // 64  backend: bits of SysctlRequest
    std::uint32_t reserved0;     // 68
    std::uint32_t ready;         // 72  frontend: 1 ends "boot"
    std::uint32_t acknowledged;  // 76  frontend: bits of SysctlRequest
    ShutdownReason reason;       // 80  frontend: written last, after exit_code
    std::int32_t exit_code;      // 84  frontend
    std::uint64_t reserved1[5];  // 88
};
static_assert(sizeof(SysctlControl) == 128 && offsetof(SysctlControl, requests) == 64);
static_assert(offsetof(SysctlControl, ready) == 72 && offsetof(SysctlControl, reason) == 80);
static_assert(std::has_unique_object_representations_v<SysctlControl>);

/// The ring is Xen's xencons_interface (public/io/console.h): in[1024], out[2048], in_cons, in_prod, out_cons,
/// out_prod; the guest allocates and grants the page.
struct ConsoleControl {
    ControlHeader header;       //  0
    std::uint32_t ring_ref;     // 64  frontend: grant of the ring page
    std::uint32_t ring_size;    // 68  frontend: 4096
    std::uint64_t reserved[7];  // 72
};
static_assert(sizeof(ConsoleControl) == 128 && offsetof(ConsoleControl, ring_ref) == 64);
static_assert(std::has_unique_object_representations_v<ConsoleControl>);

inline constexpr std::size_t max_queues = 8;

struct VifQueue {
    std::uint32_t tx_ref;   //  0  frontend: grant of the netif_tx ring
    std::uint32_t rx_ref;   //  4  frontend: grant of the netif_rx ring
    std::uint32_t tx_port;  //  8  backend
    std::uint32_t rx_port;  // 12  backend
};
static_assert(sizeof(VifQueue) == 16 && std::has_unique_object_representations_v<VifQueue>);

/// Bits of ControlHeader's feature words of a vif.
enum class VifFeature : std::uint64_t {
    scatter_gather = 1,  ///< packets of several slots, both ways, up to max_packet_slots
    tx_checksum = 2,     ///< the backend takes tx_checksum_blank
    rx_checksum = 4,     ///< the frontend takes rx_checksum_blank and believes rx_data_validated
};

/// Data rings: Xen's netif (netif.hpp). Addresses in network byte order. tx_port and rx_port of a queue may be the same.
struct VifControl {
    ControlHeader header;              //   0
    std::uint8_t mac[6];               //  64  backend
    std::uint16_t mtu;                 //  70  backend
    std::uint8_t ipv4[4];              //  72  backend; 0.0.0.0: none
    std::uint8_t ipv4_gateway[4];      //  76  backend
    std::uint8_t ipv4_prefix;          //  80  backend
    std::uint8_t ipv6_prefix;          //  81  backend
    std::uint16_t max_queues;          //  82  backend
    std::uint32_t reserved0;           //  84
    std::uint8_t ipv6[16];             //  88  backend; ::  none
    std::uint8_t ipv6_gateway[16];     // 104  backend
    std::uint32_t queues;              // 120  frontend: in use
    std::uint32_t reserved1;           // 124
    VifQueue queue[wire::max_queues];  // 128
};
static_assert(sizeof(VifControl) == 256 && offsetof(VifControl, mtu) == 70 && offsetof(VifControl, ipv4) == 72);
static_assert(offsetof(VifControl, ipv6) == 88 && offsetof(VifControl, queues) == 120);
static_assert(offsetof(VifControl, queue) == 128 && std::has_unique_object_representations_v<VifControl>);

enum class VbdFlag : std::uint32_t { read_only = 1, discard = 2, flush = 4, cdrom = 8 };

/// Bits of ControlHeader's feature words of a vbd.
enum class VbdFeature : std::uint64_t {
    indirect = 1,  ///< BlockIndirect with up to max_indirect_segments
};

/// Data rings: Xen's blkif (blkif.hpp).
struct VbdControl {
    ControlHeader header;                 //  0
    std::uint64_t sectors;                // 64  backend: of 512 bytes
    std::uint32_t sector_size;            // 72  backend: logical, bytes
    std::uint32_t physical_sector_size;   // 76  backend
    std::uint32_t flags;                  // 80  backend: bits of VbdFlag
    std::uint32_t max_ring_order;         // 84  backend: log2 of ring pages
    std::uint32_t discard_granularity;    // 88  backend, bytes
    std::uint32_t discard_alignment;      // 92  backend, bytes
    std::uint32_t ring_order;             // 96  frontend
    std::uint32_t reserved0;              // 100
    std::uint32_t ring_ref[16];           // 104 frontend
    std::uint32_t max_indirect_segments;  // 168 backend; 0: none
    std::uint32_t reserved1;              // 172
    std::uint64_t reserved2[2];           // 176
};
static_assert(sizeof(VbdControl) == 192 && offsetof(VbdControl, sector_size) == 72);
static_assert(offsetof(VbdControl, ring_order) == 96 && offsetof(VbdControl, ring_ref) == 104);
static_assert(offsetof(VbdControl, max_indirect_segments) == 168 &&
              std::has_unique_object_representations_v<VbdControl>);

}  // namespace noxs::wire
