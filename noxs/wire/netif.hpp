// SPDX-License-Identifier: Apache-2.0
// Xen's network rings (Xen, public/io/netif.h and public/io/ring.h). Freestanding, self-contained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace noxs::wire {

/// public/io/ring.h: begin of every shared ring; entries follow at offset 64. Indices run freely, wrap at 2^32; the
/// position is index modulo the number of entries, a power of two. A producer that passes the other side's event
/// index (prod_old < event <= prod_new) rings.
struct RingHeader {
    std::uint32_t req_prod;     //  0  frontend
    std::uint32_t req_event;    //  4  backend: ring me when req_prod reaches this
    std::uint32_t rsp_prod;     //  8  backend
    std::uint32_t rsp_event;    // 12  frontend: ring me when rsp_prod reaches this
    std::uint8_t reserved[48];  // 16
};
static_assert(sizeof(RingHeader) == 64 && offsetof(RingHeader, rsp_prod) == 8);
static_assert(std::has_unique_object_representations_v<RingHeader>);

inline constexpr std::uint16_t tx_checksum_blank =
    1;  ///< NETTXF_csum_blank: the TCP or UDP checksum is to be filled in
inline constexpr std::uint16_t tx_data_validated = 2;  ///< NETTXF_data_validated
inline constexpr std::uint16_t tx_more_data = 4;       ///< NETTXF_more_data: goes on in the next request
inline constexpr std::uint16_t tx_extra_info = 8;      ///< NETTXF_extra_info

/// Packet of several requests: `size` of the first is that of the whole packet, of the others their own.
struct TxRequest {
    std::uint32_t ref;     //  0  grant of the page
    std::uint16_t offset;  //  4
    std::uint16_t flags;   //  6  tx_*
    std::uint16_t id;      //  8  echoed in the response
    std::uint16_t size;    // 10
};
struct TxResponse {
    std::uint16_t id;     // 0
    std::int16_t status;  // 2  rsp_*
};
/// What this backend writes: the rest of the entry is ignored by frontends. A backend that takes over a ring finds by
/// `mark`, which no request has as its offset, responses of a predecessor that died before it could publish them.
struct TxAnswer {
    TxResponse response;  // 0
    std::uint16_t mark;   // 4  tx_answered
    std::uint16_t flags;  // 6  0
};
inline constexpr std::uint16_t tx_answered = 0xffff;
union TxEntry {
    TxRequest request;
    TxResponse response;
    TxAnswer answer;
};
static_assert(sizeof(TxRequest) == 12 && sizeof(TxResponse) == 4 && sizeof(TxEntry) == 12);
static_assert(sizeof(TxAnswer) == 8 && offsetof(TxAnswer, mark) == offsetof(TxRequest, offset));
static_assert(offsetof(TxAnswer, flags) == offsetof(TxRequest, flags));

inline constexpr std::uint16_t rx_data_validated = 1;  ///< NETRXF_data_validated
inline constexpr std::uint16_t rx_checksum_blank = 2;  ///< NETRXF_csum_blank
inline constexpr std::uint16_t rx_more_data = 4;       ///< NETRXF_more_data: goes on in the next response
inline constexpr std::uint16_t rx_extra_info = 8;      ///< NETRXF_extra_info

struct RxRequest {
    std::uint16_t id;        // 0  echoed in the response
    std::uint16_t reserved;  // 2
    std::uint32_t ref;       // 4  grant of a page that may be written
};
struct RxResponse {
    std::uint16_t id;      // 0
    std::uint16_t offset;  // 2
    std::uint16_t flags;   // 4  rx_*
    std::int16_t status;   // 6  >= 0: bytes of this page; else rsp_*
};
union RxEntry {
    RxRequest request;
    RxResponse response;
};
static_assert(sizeof(RxRequest) == 8 && sizeof(RxResponse) == 8 && sizeof(RxEntry) == 8);

inline constexpr std::int16_t net_dropped = -2;  ///< NETIF_RSP_DROPPED
inline constexpr std::int16_t net_error = -1;    ///< NETIF_RSP_ERROR
inline constexpr std::int16_t net_okay = 0;      ///< NETIF_RSP_OKAY
inline constexpr std::int16_t net_null = 1;      ///< NETIF_RSP_NULL

inline constexpr std::uint32_t net_ring_entries = 256;  ///< of one page, both kinds
/// XEN_NETIF_NR_SLOTS_MIN: requests of one packet that every backend accepts.
inline constexpr unsigned max_packet_slots = 18;

struct TxRing {
    RingHeader header;
    TxEntry entries[net_ring_entries];
};
struct RxRing {
    RingHeader header;
    RxEntry entries[net_ring_entries];
};
static_assert(sizeof(TxRing) == 64 + 256 * 12 && sizeof(RxRing) == 64 + 256 * 8);

}  // namespace noxs::wire
