// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/vif.hpp"

#include <utility>

#include "noxs/backends/vif_control.hpp"
#include "noxs/shared.hpp"

namespace noxs {

namespace {

/// A fiftieth of a second at the limit's pace, and never less than a packet of the largest MTU.
std::unique_ptr<TokenBucket> limit_of(std::uint64_t rate) {
    constexpr std::uint64_t least_burst = 64 << 13;  // bits
    return rate == 0 ? nullptr : std::make_unique<TokenBucket>(rate, std::max(rate / 50, least_burst));
}

DeviceParams offering(DeviceParams params, std::uint64_t features) {
    params.features = features;
    return params;
}

}  // namespace

VifBackend::VifBackend(DeviceParams params, const VifSettings& settings, Switch* network, VifScratch& scratch)
    : DataDevice(offering(std::move(params), vif_features)),
      scratch_(&scratch),
      network_(network),
      station_{settings.mac, settings.ipv4.address, settings.ipv6, settings.check_source},
      network_name_(settings.network),
      most_bytes_(settings.mtu + ethernet_header + vlan_tag),
      rate_(limit_of(settings.rate)) {}

VifBackend::~VifBackend() {
    if (place_ != nullptr) {
        network_->unplug(place_);
    }
}

void VifBackend::plug() {
    if (network_ == nullptr) {
        stop("no network named '" + network_name_ + "'");
        return;
    }
    auto place = network_->plug_vif(*this, station_);
    if (!place) {
        stop(place.error().message);
        return;
    }
    place_ = *place;
}

Result<void> VifBackend::connect() {
    if (place_ == nullptr) {
        return base::fail(base::Code::bad_state, "it is not plugged in");
    }
    const auto& control = page<wire::VifControl>();
    if (const auto queues = load_acquire(control.queues); queues != vif_queues) {
        return base::fail(base::Code::protocol_error, std::to_string(queues) + " queues, expected 1");
    }
    const auto map = [&](const std::uint32_t& field, std::string_view what) -> Result<base::Mapping> {
        auto mapped = lane().map_grant(base::GrantRef(load_acquire(field)), base::Access::read_write);
        return mapped ? std::move(mapped) : base::fail(std::move(mapped).error().in(what));
    };
    BASE_ASSIGN(base::Mapping tx, map(control.queue[0].tx_ref, "tx ring"));
    BASE_ASSIGN(base::Mapping rx, map(control.queue[0].rx_ref, "rx ring"));
    tx_.use(std::move(tx));
    rx_.use(std::move(rx), chosen_features());
    return {};
}

void VifBackend::disconnect() {
    tx_.drop();
    rx_.drop();
}

/// Posting buffers for packets is progress too.
bool VifBackend::saw_rx_posts() {
    const std::uint32_t posted = rx_.posted().value_or(0);
    return std::exchange(rx_seen_, posted) < posted;
}

/// One batch. The guest's requests are answered once the switch has taken copies.
Turn VifBackend::serve(Clock::time_point now) {
    const auto packets = tx_.gather(lane(), *scratch_, most_bytes_, rate_.get(), now);
    if (!packets) {
        stop(packets.error());
        return Turn::idle();
    }
    for (std::size_t i = 0; i < *packets; ++i) {
        if (const auto frame = tx_.frame(*scratch_, i)) {
            network_->forward(*place_, *frame, now);
        }
    }
    if (*packets > 0) {
        network_->flush();
        if (!connected()) {
            return Turn::idle();  // its own deliveries found it broken
        }
        if (tx_.answer(*scratch_)) {
            ring();
        }
    }
    const bool moved = saw_rx_posts() || *packets > 0;
    if (rate_ && !rate_->ready(now)) {
        return Turn::later(rate_->ready_at(), moved);
    }
    return *packets == VifScratch::most_packets ? Turn::more() : Turn::idle(moved);
}

bool VifBackend::arm_rings() {
    return tx_.arm();
}

bool VifBackend::deliver(const Frame& frame) {
    if (!connected()) {
        return false;
    }
    const auto done = rx_.put(lane(), frame);
    if (done == VifRx::Done::broken) {
        stop("rx ring: impossible request index");
    }
    return done == VifRx::Done::delivered;
}

void VifBackend::flush() {
    if (connected() && rx_.settle(lane())) {
        ring_and_expect();
    }
}

Counters VifBackend::counters() const {
    const auto& sent = tx_.counts();
    const auto& received = rx_.counts();
    return {{"tx_packets", sent.packets},
            {"tx_bytes", sent.bytes},
            {"rx_packets", received.packets},
            {"rx_bytes", received.bytes},
            {"dropped_no_buffer", received.dropped_no_buffer},
            {"dropped_spoofed", place_ == nullptr ? 0 : place_->dropped_spoofed()},
            {"dropped_rate", place_ == nullptr ? 0 : place_->dropped_rate()},
            {"errors", sent.errors + received.errors}};
}

}  // namespace noxs
