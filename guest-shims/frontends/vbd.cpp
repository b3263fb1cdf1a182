// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/vbd.hpp"

#include "guest-shims/frontends/control.hpp"

namespace guest {

namespace wire = noxs::wire;
using wire::BlockOp;

namespace {

/// How long what is on its way may take when the backend asks for an end.
constexpr std::uint64_t closing_patience = ns_per_second;

bool is_leaving(wire::State backend) {
    return backend == wire::State::closing || backend == wire::State::closed;
}

/// It maps none of our pages, and nothing of a disk is on its way to them.
bool has_let_go(wire::State backend) {
    return backend == wire::State::closed || backend == wire::State::init_wait;
}

bool moves_data(BlockOp op) {
    return op == BlockOp::read || op == BlockOp::write;
}

constexpr std::uint32_t pages_of(std::uint32_t sectors) {
    return sectors / Vbd::page_sectors + (sectors % Vbd::page_sectors != 0);
}

}  // namespace

Vbd::Vbd(System& system, std::uint32_t pages, std::optional<std::uint32_t> id)
    : system_(system), wanted_id_(id), pages_(pages < 1 ? 1 : pages) {
    follow();
}

/// The ring, the lists, then the pool. Nothing is touched but the array of grants: a page costs memory when it is used.
void Vbd::allocate(base::DomId backend) {
    const bool has_lists = pages_ > wire::direct_segments;
    const std::size_t lists = has_lists ? max_requests : 0;
    refs_ = static_cast<base::GrantRef*>(system_.allocate((pages_ + lists) * sizeof(base::GrantRef)));
    const auto at = reinterpret_cast<std::uintptr_t>(system_.allocate((2 + lists + pages_) * wire::page_size));
    auto* page = reinterpret_cast<std::byte*>((at + wire::page_size - 1) & ~(wire::page_size - 1));
    ring_page_ = reinterpret_cast<wire::BlockRing*>(page);
    lists_ = page + wire::page_size;
    pool_ = lists_ + lists * wire::page_size;

    GrantTable table(system_.platform().grant_table());
    const auto ring_ref = table.grant(ring_page_, backend);
    std::size_t listed = 0;
    for (; listed < lists; ++listed) {
        const auto ref = table.grant(lists_ + listed * wire::page_size, backend, GrantAccess::read_only);
        if (!ref) {
            break;
        }
        refs_[pages_ + listed] = *ref;
    }
    const base::GrantRef* list_refs = refs_ + pages_;
    std::uint32_t granted = 0;
    for (; granted < pages_; ++granted) {
        const auto ref = table.grant(this->page(granted), backend);
        if (!ref) {
            break;
        }
        refs_[granted] = *ref;
    }
    if (!ring_ref || granted == 0) {
        system_.panic("no room in the grant table for a vbd");
    }
    ring_ref_ = *ring_ref;
    list_refs_ = listed == lists && has_lists ? list_refs : nullptr;
    pages_ = granted;
}

void Vbd::look_for_device() {
    const auto suits = [this](const wire::DeviceEntry& entry) {
        return entry.type == wire::DeviceType::vbd && (!wanted_id_ || entry.id == *wanted_id_);
    };
    device_.look(system_.devices(), suits, [this] {
        lost_ |= used_;
        connected_ = closing_ = held_ = false;
    });
}

bool Vbd::follow() {
    const bool before = connected();
    bool anew = false;
    look_for_device();
    if (device_) {
        const wire::State backend = load_acquire(device_.control().header.backend_state);
        held_ = held_ && !has_let_go(backend);
        if (connected_ && is_leaving(backend)) {
            leave(backend);
        } else if (!connected_ && backend == wire::State::init_wait) {
            connect();
            anew = true;
        }
    }
    return anew || connected() != before;
}

/// Publishes the ring; the backend becomes connected when it has mapped it.
void Vbd::connect() {
    auto& control = device_.control();
    if (ring_page_ == nullptr) {
        allocate(base::DomId{device_.entry().backend});
    }
    sectors_ = load_relaxed(control.sectors);
    sector_size_ = load_relaxed(control.sector_size);
    flags_ = load_relaxed(control.flags);
    const auto indirect = static_cast<std::uint64_t>(wire::VbdFeature::indirect);
    const std::uint64_t features = load_relaxed(control.header.backend_features) & indirect;
    const std::uint32_t offered = load_relaxed(control.max_indirect_segments);
    request_pages_ = wire::direct_segments;
    if (features != 0 && list_refs_ != nullptr && offered > wire::direct_segments) {
        request_pages_ = offered < max_request_pages ? offered : max_request_pages;
    }
    lost_ |= used_;
    ring_.start(*ring_page_);
    connected_ = true;
    closing_ = false;
    store_relaxed(control.header.frontend_features, features);
    store_relaxed(control.ring_order, std::uint32_t{0});
    store_relaxed(control.ring_ref[0], ring_ref_.value);
    device_.say(system_.platform(), wire::State::connected);
}

Nanoseconds Vbd::patience_left() const {
    const std::uint64_t waited = system_.platform().monotonic().value - closing_since_.value;
    return {waited < closing_patience ? closing_patience - waited : 0};
}

std::optional<Nanoseconds> Vbd::patience() const {
    return connected_ && closing_ ? std::optional(patience_left()) : std::nullopt;
}

/// The backend wants an end: it still serves what is on its way, unless it has broken with us.
void Vbd::leave(wire::State backend) {
    if (!closing_) {
        closing_ = true;
        closing_since_ = system_.platform().monotonic();
    }
    if (backend == wire::State::closed || ring_.unanswered() == 0 || patience_left().value == 0) {
        disconnect(backend);
    }
}

/// A disk may write to the pages of reads until the backend has closed too.
void Vbd::disconnect(wire::State backend) {
    lost_ |= used_;
    held_ = !has_let_go(backend);
    connected_ = closing_ = false;
    device_.say(system_.platform(), wire::State::closed);
}

bool Vbd::can_be_said(const Request& request) const {
    if (!moves_data(request.op)) {
        return request.op == BlockOp::flush || request.op == BlockOp::discard;
    }
    const std::uint32_t count = pages_of(request.sectors);
    return count > 0 && count <= request_pages_ && request.first_page < pages_ && count <= pages_ - request.first_page;
}

void Vbd::fill(wire::BlockSegment* segments, const Request& request, std::uint32_t count) const {
    std::uint32_t left = request.sectors;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t here = left < page_sectors ? left : page_sectors;
        segments[i] = {refs_[request.first_page + i].value, 0, static_cast<std::uint8_t>(here - 1), 0};
        left -= here;
    }
}

void Vbd::put_data(const Request& request, std::uint32_t id) {
    const std::uint32_t count = pages_of(request.sectors);
    if (count <= wire::direct_segments) {
        wire::BlockRequest direct{};
        direct.op = request.op;
        direct.segment_count = static_cast<std::uint8_t>(count);
        direct.id = id;
        direct.sector = request.sector;
        fill(direct.segments, request, count);
        ring_.put(direct);
        return;
    }
    fill(reinterpret_cast<wire::BlockSegment*>(lists_ + id * wire::page_size), request, count);
    wire::BlockIndirect indirect{};
    indirect.op = BlockOp::indirect;
    indirect.indirect_op = request.op;
    indirect.segment_count = static_cast<std::uint16_t>(count);
    indirect.id = id;
    indirect.sector = request.sector;
    indirect.refs[0] = list_refs_[id].value;
    ring_.put(indirect);
}

bool Vbd::start(const Request& request) {
    if (!connected() || ~used_ == 0 || ring_.room() == 0 || !can_be_said(request)) {
        return false;
    }
    const auto id = static_cast<std::uint32_t>(__builtin_ctz(~used_));
    used_ |= 1U << id;
    tags_[id] = request.tag;
    if (moves_data(request.op)) {
        put_data(request, id);
    } else if (request.op == BlockOp::discard) {
        ring_.put(wire::BlockDiscard{request.op, 0, 0, 0, id, request.sector, request.sectors});
    } else {
        wire::BlockRequest flush{};
        flush.op = request.op;
        flush.id = id;
        ring_.put(flush);
    }
    return true;
}

void Vbd::flush() {
    if (connected_ && ring_.publish()) {
        system_.platform().notify(base::EvtchnPort{device_.entry().port});
    }
}

std::optional<Vbd::Done> Vbd::take() {
    if (connected_) {
        const auto answered = ring_.answered();
        if (answered && *answered > 0) {
            const auto response = ring_.take<wire::BlockResponse>();
            const std::uint32_t bit = response.id < max_requests ? 1U << response.id : 0;
            if ((used_ & ~lost_ & bit) != 0) {
                used_ &= ~bit;
                return Done{tags_[response.id], response.status};
            }
        }
        if (!answered || *answered > 0) {
            disconnect(wire::State::connected);  // it answers what nobody asked
        }
    }
    if (lost_ == 0 || held_) {
        return std::nullopt;
    }
    const auto id = static_cast<std::uint32_t>(__builtin_ctz(lost_));
    lost_ &= lost_ - 1;
    used_ &= ~(1U << id);
    return Done{tags_[id], wire::block_error};
}

bool Vbd::arm() {
    if (lost_ != 0 && !held_) {
        return false;
    }
    if (!connected_) {
        return true;
    }
    ring_.want_ring();
    const auto answered = ring_.answered();
    return answered && *answered == 0;
}

}  // namespace guest
