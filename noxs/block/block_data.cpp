// SPDX-License-Identifier: Apache-2.0
#include "noxs/block/block_data.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace noxs {

namespace {

/// Pages that lie side by side are one piece: guests mostly ask for runs of them.
void append(std::vector<iovec>& pieces, std::byte* at, std::size_t size) {
    if (!pieces.empty() && static_cast<std::byte*>(pieces.back().iov_base) + pieces.back().iov_len == at) {
        pieces.back().iov_len += size;
    } else {
        pieces.push_back({at, size});
    }
}

bool use_in_place(const BlockWork& work, hypervisor::DataLane& lane, std::vector<iovec>& pieces) {
    const auto access = work.op == wire::BlockOp::read ? base::Access::read_write : base::Access::read_only;
    for (const auto& segment : work.segments) {
        std::byte* page = lane.granted(base::GrantRef(segment.ref), access);
        if (page == nullptr) {
            return false;
        }
        append(pieces, page + segment.first_sector * wire::block_sector, sectors_of(segment) * wire::block_sector);
    }
    return true;
}

}  // namespace

bool BlockData::open(const BlockWork& work, hypervisor::DataLane& lane, BouncePool& pool, std::vector<iovec>& pieces) {
    if (lane.in_place()) {
        return use_in_place(work, lane, pieces);
    }
    buffer_ = pool.take(work.sectors * wire::block_sector);
    if (!buffer_.memory) {
        return false;
    }
    if (work.op == wire::BlockOp::write && !copy(work, lane, hypervisor::CopyDirection::from_guest)) {
        close(pool);
        return false;
    }
    pieces.push_back({buffer_.data(), work.sectors * wire::block_sector});
    return true;
}

bool BlockData::deliver(const BlockWork& work, hypervisor::DataLane& lane) {
    return !buffer_.memory || copy(work, lane, hypervisor::CopyDirection::to_guest);
}

void BlockData::close(BouncePool& pool) {
    pool.give_back(std::exchange(buffer_, {}));
}

bool BlockData::copy(const BlockWork& work, hypervisor::DataLane& lane, hypervisor::CopyDirection direction) {
    std::array<hypervisor::GrantCopy, max_indirect_segments> copies;
    std::byte* at = buffer_.data();
    std::size_t count = 0;
    for (const auto& segment : work.segments) {
        const auto size = static_cast<std::uint16_t>(sectors_of(segment) * wire::block_sector);
        const auto offset = static_cast<std::uint16_t>(segment.first_sector * wire::block_sector);
        copies[count++] = {base::GrantRef(segment.ref), offset, size, at};
        at += size;
    }
    const std::span pieces(copies.data(), count);
    lane.copy(pieces, direction);
    return std::ranges::all_of(pieces, &hypervisor::GrantCopy::done);
}

}  // namespace noxs
