// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/vif_tx.hpp"

#include <algorithm>
#include <utility>

#include "noxs/switch/frame.hpp"

namespace noxs {

using wire::TxRequest;

namespace {

/// netif.h: netif_extra_info_t begins with u8 type, u8 flags; XEN_NETIF_EXTRA_FLAG_MORE.
constexpr std::uint8_t extra_more = 1;
struct ExtraInfo {
    std::uint8_t type;
    std::uint8_t flags;
    std::uint16_t rest[4];
};
static_assert(sizeof(ExtraInfo) <= sizeof(wire::TxEntry));

const char* const missing = "tx ring: a packet goes on in a request that is not there";
const char* const endless = "tx ring: a packet of more than 18 requests";

}  // namespace

/// Skips the extra infos behind the first request: none was offered, so the packet is bad.
std::optional<std::string> VifTx::take_extras(VifScratch& scratch, std::uint32_t pending, std::uint32_t& taken) {
    for (bool more = true; more;) {
        if (taken == wire::max_packet_slots) {
            return endless;
        }
        if (taken == pending) {
            return missing;
        }
        more = (ring_.peek<ExtraInfo>(taken).flags & extra_more) != 0;
        scratch.slots.push_back({0, true});
        ++taken;
    }
    return std::nullopt;
}

/// Takes one packet off the ring. Returns how the guest broke the ring, if it did.
std::optional<std::string> VifTx::take_packet(VifScratch& scratch, std::uint32_t pending, std::size_t most_bytes) {
    std::array<TxRequest, wire::max_packet_slots> requests;
    std::size_t count = 0;
    VifScratch::Packet packet;
    packet.first_slot = static_cast<std::uint16_t>(scratch.slots.size());
    std::uint32_t taken = 0;
    for (bool more = true; more;) {
        if (taken == wire::max_packet_slots) {
            return endless;
        }
        if (taken == pending) {
            return missing;
        }
        const auto request = ring_.peek<TxRequest>(taken++);
        requests[count++] = request;
        scratch.slots.push_back({request.id, false});
        if (count == 1 && (request.flags & wire::tx_extra_info) != 0) {
            packet.bad = true;
            if (auto broken = take_extras(scratch, pending, taken)) {
                return broken;
            }
        }
        more = (request.flags & wire::tx_more_data) != 0;
    }
    ring_.skip(taken);
    packet.slots = static_cast<std::uint16_t>(taken);
    packet.checksum_blank = (requests[0].flags & wire::tx_checksum_blank) != 0;
    add_pieces(scratch, packet, std::span(requests).first(count), most_bytes);
    scratch.packets.push_back(packet);
    return std::nullopt;
}

/// Plans the copies of a packet; sizes that make no sense make it a bad one.
void VifTx::add_pieces(VifScratch& scratch, VifScratch::Packet& packet, std::span<const TxRequest> requests,
                       std::size_t most_bytes) {
    const auto* last = scratch.packets.empty() ? nullptr : &scratch.packets.back();
    packet.at = last == nullptr ? 0 : last->at + last->size;
    packet.first_piece = static_cast<std::uint16_t>(scratch.pieces.size());
    const std::size_t total = requests[0].size;
    std::size_t others = 0;
    for (const auto& request : requests.subspan(1)) {
        others += request.size;
    }
    if (packet.bad || total < ethernet_header || total > most_bytes || others >= total) {
        packet.bad = true;
        return;
    }
    std::size_t at = packet.at;
    for (const auto& request : requests) {
        const std::size_t size = &request == &requests[0] ? total - others : request.size;
        if (request.offset + size > base::page_size) {
            packet.bad = true;
            scratch.pieces.resize(packet.first_piece);
            return;
        }
        scratch.pieces.push_back({base::GrantRef(request.ref), request.offset, static_cast<std::uint16_t>(size),
                                  scratch.bytes.data() + at, false});
        at += size;
    }
    packet.pieces = static_cast<std::uint16_t>(scratch.pieces.size() - packet.first_piece);
    packet.size = static_cast<std::uint32_t>(total);
}

std::expected<std::size_t, std::string> VifTx::gather(hypervisor::DataLane& lane, VifScratch& scratch,
                                                      std::size_t most_bytes, TokenBucket* rate,
                                                      Clock::time_point now) {
    scratch.packets.clear();
    scratch.slots.clear();
    scratch.pieces.clear();
    auto pending = ring_.pending();
    std::size_t room = scratch.bytes.size();
    while (pending && *pending > 0 && scratch.packets.size() < VifScratch::most_packets && room >= most_bytes &&
           (rate == nullptr || rate->ready(now))) {
        if (auto broken = take_packet(scratch, *pending, most_bytes)) {
            return std::unexpected(*std::move(broken));
        }
        const auto& packet = scratch.packets.back();
        *pending -= packet.slots;
        room -= packet.size;
        if (rate != nullptr) {
            rate->take(now, std::uint64_t{packet.size} * 8);
        }
    }
    if (!pending) {
        return std::unexpected("tx ring: impossible request index");
    }
    lane.copy(scratch.pieces, hypervisor::CopyDirection::from_guest);
    return scratch.packets.size();
}

std::optional<Frame> VifTx::frame(VifScratch& scratch, std::size_t number) {
    auto& packet = scratch.packets[number];
    const auto pieces = std::span(scratch.pieces).subspan(packet.first_piece, packet.pieces);
    packet.bad = packet.bad || !std::ranges::all_of(pieces, &hypervisor::GrantCopy::done);
    Frame frame{FrameBytes(scratch.bytes).subspan(packet.at, packet.size), 0, 0};
    if (!packet.bad && packet.checksum_blank) {
        if (const auto place = find_checksum(frame.bytes)) {
            frame.checksum_start = place->start;
            frame.checksum_offset = place->offset;
        } else {
            packet.bad = true;
        }
    }
    if (packet.bad) {
        ++counts_.errors;
        return std::nullopt;
    }
    ++counts_.packets;
    counts_.bytes += packet.size;
    return frame;
}

/// Were we killed before they are published, our successor would find them where it expects requests: by their offset it
/// sends none of them.
bool VifTx::answer(VifScratch& scratch) {
    scratch.answers.clear();
    for (const auto& packet : scratch.packets) {
        for (const auto& slot : std::span(scratch.slots).subspan(packet.first_slot, packet.slots)) {
            const std::int16_t status = packet.bad ? wire::net_error : wire::net_okay;
            scratch.answers.push_back({{slot.id, slot.extra ? wire::net_null : status}, wire::tx_answered, 0});
        }
    }
    ring_.answer_all(std::span<const wire::TxAnswer>(scratch.answers));
    return ring_.publish();
}

}  // namespace noxs
