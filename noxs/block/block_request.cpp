// SPDX-License-Identifier: Apache-2.0
#include "noxs/block/block_request.hpp"

#include <algorithm>

namespace noxs {

namespace {

using wire::BlockOp;

constexpr unsigned page_sectors = base::page_size / wire::block_sector;

bool is_inside(std::uint64_t sector, std::uint64_t sectors, const DiskShape& disk) {
    const std::uint64_t unit = disk.sector_size / wire::block_sector;
    return sector <= disk.sectors && sectors <= disk.sectors - sector && sector % unit == 0 && sectors % unit == 0;
}

bool is_sound(const wire::BlockSegment& segment, const DiskShape& disk) {
    const unsigned unit = disk.sector_size / wire::block_sector;
    return segment.first_sector <= segment.last_sector && segment.last_sector < page_sectors &&
           segment.first_sector % unit == 0 && sectors_of(segment) % unit == 0;
}

std::int16_t check_data(const DiskShape& disk, BlockWork& work) {
    if (work.op == BlockOp::write && disk.read_only) {
        return wire::block_error;
    }
    if (work.segments.empty() ||
        !std::ranges::all_of(work.segments, [&](const auto& segment) { return is_sound(segment, disk); })) {
        return wire::block_error;
    }
    work.sectors = 0;
    for (const auto& segment : work.segments) {
        work.sectors += sectors_of(segment);
    }
    return is_inside(work.sector, work.sectors, disk) ? wire::block_okay : wire::block_error;
}

std::int16_t check_direct(const wire::BlockRequest& request, const DiskShape& disk, BlockWork& work) {
    if (request.segment_count > wire::direct_segments) {
        return wire::block_error;
    }
    work.sector = request.sector;
    work.segments.assign(request.segments, request.segments + request.segment_count);
    return check_data(disk, work);
}

std::int16_t check_indirect(const wire::BlockIndirect& request, const DiskShape& disk, hypervisor::DataLane& lane,
                            BlockWork& work) {
    work.op = request.indirect_op;
    if (!work.moves_data()) {
        return wire::block_unsupported;
    }
    if (request.segment_count == 0 || request.segment_count > max_indirect_segments) {
        return wire::block_error;
    }
    static_assert(max_indirect_segments <= wire::segments_per_page);
    work.sector = request.sector;
    work.segments.resize(request.segment_count);
    hypervisor::GrantCopy list{base::GrantRef(request.refs[0]), 0,
                               static_cast<std::uint16_t>(request.segment_count * sizeof(wire::BlockSegment)),
                               reinterpret_cast<std::byte*>(work.segments.data())};
    lane.copy({&list, 1}, hypervisor::CopyDirection::from_guest);
    return list.done ? check_data(disk, work) : wire::block_error;
}

std::int16_t check_flush(const wire::BlockRequest& request) {
    return request.segment_count == 0 ? wire::block_okay : wire::block_error;
}

/// No flag is known here: the one of Xen asks for a discard that can't be undone by any means.
std::int16_t check_discard(const wire::BlockDiscard& request, const DiskShape& disk, BlockWork& work) {
    if (!disk.discard || disk.read_only || request.flag != 0) {
        return wire::block_unsupported;
    }
    work.sector = request.sector;
    work.sectors = request.sectors;
    return request.sectors != 0 && is_inside(request.sector, request.sectors, disk) ? wire::block_okay
                                                                                    : wire::block_error;
}

}  // namespace

void check_request(const wire::BlockEntry& entry, const DiskShape& disk, hypervisor::DataLane& lane, BlockWork& work) {
    static_assert(offsetof(wire::BlockRequest, id) == offsetof(wire::BlockIndirect, id) &&
                  offsetof(wire::BlockRequest, id) == offsetof(wire::BlockDiscard, id));
    work.id = entry.request.id;
    work.op = entry.request.op;
    work.sector = 0;
    work.sectors = 0;
    work.segments.clear();
    switch (work.op) {
        case BlockOp::read:
        case BlockOp::write: work.status = check_direct(entry.request, disk, work); return;
        case BlockOp::flush: work.status = check_flush(entry.request); return;
        case BlockOp::discard: work.status = check_discard(entry.discard, disk, work); return;
        case BlockOp::indirect: work.status = check_indirect(entry.indirect, disk, lane, work); return;
        default: work.status = wire::block_unsupported; return;
    }
}

}  // namespace noxs
