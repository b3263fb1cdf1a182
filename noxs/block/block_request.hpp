// SPDX-License-Identifier: Apache-2.0
// What a guest asks of its disk, checked: nothing behind this file looks at what the guest wrote.
#pragma once

#include <cstdint>
#include <vector>

#include "hypervisor/data_lane.hpp"
#include "noxs/wire/blkif.hpp"

namespace noxs {

/// Of an indirect request, 1 MiB; one page of them holds twice as many.
inline constexpr std::uint16_t max_indirect_segments = 256;

/// What the checks need to know of a disk.
struct DiskShape {
    std::uint64_t sectors{0};        ///< of 512 bytes
    std::uint32_t sector_size{512};  ///< 512 .. 4096, a power of two
    bool read_only{false};
    bool discard{false};
};

/// A request that may be done. `status` other than block_okay: it is refused, and the rest but `id` and `op` means nothing.
struct BlockWork {
    std::uint64_t id{0};
    wire::BlockOp op{wire::BlockOp::read};  ///< of an indirect request, the inner one; echoed in the response
    std::int16_t status{wire::block_okay};
    std::uint64_t sector{0};
    std::uint64_t sectors{0};
    std::vector<wire::BlockSegment> segments;  ///< read, write: each a multiple of sector_size

    bool moves_data() const { return op == wire::BlockOp::read || op == wire::BlockOp::write; }
};

inline std::uint32_t sectors_of(const wire::BlockSegment& segment) {
    return segment.last_sector - segment.first_sector + 1U;
}

/// Checks `entry`, a copy of a ring's entry, into `work`. Segments of an indirect request are copied from the guest once,
/// here. Hot.
void check_request(const wire::BlockEntry& entry, const DiskShape& disk, hypervisor::DataLane& lane, BlockWork& work);

}  // namespace noxs
