// SPDX-License-Identifier: Apache-2.0
// Xen's block ring (Xen, public/io/blkif.h), the layout of 64-bit x86 ("x86_64-abi"). Freestanding, self-contained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "noxs/wire/netif.hpp"

namespace noxs::wire {

inline constexpr std::uint32_t block_sector = 512;  ///< the unit of every sector number, whatever sector_size says

enum class BlockOp : std::uint8_t {
    read = 0,
    write = 1,
    write_barrier = 2,  ///< not offered here
    flush = 3,          ///< BLKIF_OP_FLUSH_DISKCACHE
    discard = 5,
    indirect = 6,
};

inline constexpr unsigned direct_segments = 11;  ///< BLKIF_MAX_SEGMENTS_PER_REQUEST
inline constexpr unsigned indirect_pages = 8;    ///< BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST
inline constexpr unsigned segments_per_page = 512;

struct BlockSegment {
    std::uint32_t ref;          // 0  grant of the page
    std::uint8_t first_sector;  // 4  0 .. 7
    std::uint8_t last_sector;   // 5  included
    std::uint16_t reserved;     // 6
};
static_assert(sizeof(BlockSegment) == 8);

struct BlockRequest {
    BlockOp op;                              //   0
    std::uint8_t segment_count;              //   1  1 .. 11; flush: 0
    std::uint16_t handle;                    //   2
    std::uint32_t reserved;                  //   4
    std::uint64_t id;                        //   8  echoed in the response; see block_answered
    std::uint64_t sector;                    //  16
    BlockSegment segments[direct_segments];  //  24
};
static_assert(sizeof(BlockRequest) == 112 && offsetof(BlockRequest, segments) == 24);

struct BlockIndirect {
    BlockOp op;                          //  0  indirect
    BlockOp indirect_op;                 //  1  read or write
    std::uint16_t segment_count;         //  2
    std::uint32_t reserved0;             //  4
    std::uint64_t id;                    //  8
    std::uint64_t sector;                // 16
    std::uint16_t handle;                // 24
    std::uint16_t reserved1;             // 26
    std::uint32_t refs[indirect_pages];  // 28  grants of pages full of BlockSegment
    std::uint32_t reserved2;             // 60
};
static_assert(sizeof(BlockIndirect) == 64 && offsetof(BlockIndirect, refs) == 28);

struct BlockDiscard {
    BlockOp op;              //  0  discard
    std::uint8_t flag;       //  1
    std::uint16_t handle;    //  2
    std::uint32_t reserved;  //  4
    std::uint64_t id;        //  8
    std::uint64_t sector;    // 16
    std::uint64_t sectors;   // 24
};
static_assert(sizeof(BlockDiscard) == 32);

struct BlockResponse {
    std::uint64_t id;        //  0
    BlockOp op;              //  8
    std::uint8_t reserved0;  //  9
    std::int16_t status;     // 10  block_*
    std::uint32_t mark;      // 12  block_answered | note; reserved in Xen, ignored by frontends
};
static_assert(sizeof(BlockResponse) == 16);

/// A backend that takes over a ring finds by it which responses its predecessor had written, but not published, when it
/// died. The low five bits say which of the notes (VbdNotes) is of the request. Where it stands, a request has the upper
/// half of its id: ids of requests stay below 2^32.
inline constexpr std::uint32_t block_answered = 0x6b6c6260;
inline constexpr std::uint32_t block_answered_mask = 0xffffffe0;

inline constexpr std::int16_t block_okay = 0;          ///< BLKIF_RSP_OKAY
inline constexpr std::int16_t block_error = -1;        ///< BLKIF_RSP_ERROR
inline constexpr std::int16_t block_unsupported = -2;  ///< BLKIF_RSP_EOPNOTSUPP

union BlockEntry {
    BlockRequest request;
    BlockIndirect indirect;
    BlockDiscard discard;
    BlockResponse response;
};
static_assert(sizeof(BlockEntry) == 112);

inline constexpr std::uint32_t block_ring_entries = 32;  ///< of one page

struct BlockRing {
    RingHeader header;
    BlockEntry entries[block_ring_entries];
};
static_assert(sizeof(BlockRing) == 64 + 32 * 112);

/// Behind VbdControl in the control page of a vbd: the backend's own, for the backend that takes over from it. Frontends
/// leave it alone.
struct VbdNotes {
    std::uint64_t state;     //  0  low half: requests taken off the ring, as its indices count; high half:
                             //     a bit for each of the notes that is in use
    std::uint64_t reserved;  //  8
    BlockEntry requests[block_ring_entries];  // 16  taken and not answered, as they were on the ring
};
inline constexpr std::size_t vbd_notes_offset = 192;  ///< in the control page: sizeof(VbdControl)
static_assert(sizeof(VbdNotes) == 16 + 32 * 112 && vbd_notes_offset + sizeof(VbdNotes) <= 4096);

}  // namespace noxs::wire
