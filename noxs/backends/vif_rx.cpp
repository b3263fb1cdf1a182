// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/vif_rx.hpp"

#include <algorithm>
#include <utility>

#include "base/ids.hpp"
#include "noxs/switch/frame.hpp"

namespace noxs {

namespace {

bool has(std::uint64_t features, wire::VifFeature feature) {
    return (features & static_cast<std::uint64_t>(feature)) != 0;
}

}  // namespace

void VifRx::use(base::Mapping ring, std::uint64_t features) {
    ring_ = BackRing<wire::RxRing>(std::move(ring));
    scatter_gather_ = has(features, wire::VifFeature::scatter_gather);
    checksum_ = has(features, wire::VifFeature::rx_checksum);
    if (!stage_) {
        stage_ = std::make_unique<Stage>();
    }
}

void VifRx::drop() {
    ring_ = {};
    stage_.reset();
}

/// The frame's bytes as they go to the guest: where they are, or a copy that lasts until `execute`.
std::byte* VifRx::keep(const Frame& frame, bool fill, bool in_place) {
    if (in_place && !fill) {
        return const_cast<std::byte*>(frame.bytes.data());  // only read from: the copy goes to the guest
    }
    if (stage_->bytes.capacity() < stage_bytes) {
        stage_->bytes.reserve(stage_bytes);
    }
    const std::size_t at = stage_->bytes.size();
    stage_->bytes.insert(stage_->bytes.end(), frame.bytes.begin(), frame.bytes.end());
    const auto kept = std::span(stage_->bytes).subspan(at);
    if (fill) {
        fill_checksum(kept, frame.checksum_start, frame.checksum_offset);
    }
    return kept.data();
}

void VifRx::plan(const Frame& frame, std::byte* bytes, std::uint32_t slots, bool blank) {
    std::size_t left = frame.bytes.size();
    for (std::uint32_t i = 0; i < slots; ++i) {
        const auto request = ring_.peek<wire::RxRequest>(i);
        const auto size = static_cast<std::uint16_t>(std::min<std::size_t>(left, base::page_size));
        left -= size;
        std::uint16_t flags = i == 0 && blank ? wire::rx_checksum_blank | wire::rx_data_validated : 0;
        flags = static_cast<std::uint16_t>(flags | (left > 0 ? wire::rx_more_data : 0));
        stage_->pieces.push_back({base::GrantRef(request.ref), 0, size, bytes, false});
        stage_->responses.push_back({request.id, 0, flags, static_cast<std::int16_t>(size)});
        bytes += size;
    }
    ring_.skip(slots);
}

VifRx::Done VifRx::put(hypervisor::DataLane& lane, const Frame& frame) {
    const auto posted = ring_.pending();
    if (!posted) {
        return Done::broken;
    }
    const std::size_t slots = (frame.bytes.size() + base::page_size - 1) / base::page_size;
    if (frame.bytes.empty() || slots > wire::max_packet_slots || (slots > 1 && !scatter_gather_)) {
        ++counts_.errors;
        return Done::dropped;
    }
    if (*posted < slots) {
        ++counts_.dropped_no_buffer;
        return Done::dropped;
    }
    if (stage_->bytes.size() + frame.bytes.size() > stage_bytes) {
        execute(lane);
    }
    const bool in_place = lane.in_place();
    const bool blank = frame.checksum_start != 0 && checksum_;
    plan(frame, keep(frame, frame.checksum_start != 0 && !blank, in_place), static_cast<std::uint32_t>(slots), blank);
    if (in_place) {
        execute(lane);
    }
    return Done::delivered;
}

/// A buffer that the guest did not grant is answered with an error; so is what it has of the packet. Were we killed before
/// these responses are published, our successor would take them for requests: their `ref` is then the size of the packet
/// in its upper half, above all that any grant table has, so it answers them with an error too.
void VifRx::execute(hypervisor::DataLane& lane) {
    auto& [pieces, responses, bytes] = *stage_;
    lane.copy(pieces, hypervisor::CopyDirection::to_guest);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        auto& response = responses[i];
        if (!pieces[i].done) {
            response.status = wire::net_error;
            ++counts_.errors;
        }
        if ((response.flags & wire::rx_more_data) == 0) {
            ++counts_.packets;
        }
        counts_.bytes += pieces[i].done ? pieces[i].size : 0U;
        ring_.answer(response);
    }
    pieces.clear();
    responses.clear();
    bytes.clear();
}

bool VifRx::settle(hypervisor::DataLane& lane) {
    if (!stage_->pieces.empty()) {
        execute(lane);
    }
    return ring_.publish();
}

}  // namespace noxs
