// SPDX-License-Identifier: Apache-2.0
#include "noxs/switch/switch.hpp"

#include <algorithm>
#include <utility>

namespace noxs {

Switch::Place* Switch::add(SwitchPort& port, const Station* station) {
    Place* place = places_.emplace_back(std::make_unique<Place>(port, station)).get();
    all_.push_back(place);
    if (!place->vif_) {
        uplinks_.push_back(place);
    }
    if (place->open()) {
        open_.push_back(place);
    }
    return place;
}

Result<Switch::Place*> Switch::plug_vif(SwitchPort& port, const Station& station) {
    if (station.ipv4 && by_ipv4_.contains(station.ipv4.number())) {
        return base::fail(base::Code::name_in_use,
                          "another vif of network '" + name_ + "' has the address " + text_of(station.ipv4));
    }
    if (station.ipv6 && by_ipv6_.contains(station.ipv6)) {
        return base::fail(base::Code::name_in_use,
                          "another vif of network '" + name_ + "' has the address " + text_of(station.ipv6));
    }
    Place* place = add(port, &station);
    if (!macs_.pin(mac_key(station.mac), *place)) {
        unplug(place);
        return base::fail(base::Code::name_in_use,
                          "another vif of network '" + name_ + "' has the MAC address " + text_of(station.mac));
    }
    if (station.ipv4) {
        by_ipv4_.emplace(station.ipv4.number(), place);
    }
    if (station.ipv6) {
        by_ipv6_.emplace(station.ipv6, place);
    }
    return place;
}

Switch::Place* Switch::plug_uplink(SwitchPort& port) {
    return add(port, nullptr);
}

void Switch::unplug(Place* place) {
    macs_.forget(*place);
    const auto forget = [&](auto& known, const auto& address) {
        const auto at = known.find(address);
        if (at != known.end() && at->second == place) {
            known.erase(at);
        }
    };
    forget(by_ipv4_, place->station_.ipv4.number());
    forget(by_ipv6_, place->station_.ipv6);
    for (auto* list : {&all_, &uplinks_, &open_, &touched_}) {
        std::erase(*list, place);
    }
    std::erase_if(places_, [&](const auto& owned) { return owned.get() == place; });
}

bool Switch::taken(Ipv4 address, const Place& from) const {
    const auto owner = by_ipv4_.find(address.number());
    return owner != by_ipv4_.end() && owner->second != &from;
}

/// Whether the port may say what the frame says of its sender. A checked vif has one MAC, and it is pinned: there is
/// nothing to learn from it.
bool Switch::admit(Place& from, FrameBytes frame, Clock::time_point now) {
    const std::uint64_t source = source_key(frame);
    if (!from.checked()) {
        const std::size_t most = from.vif_ ? most_learned_of_vif : most_learned_of_uplink;
        return !is_multicast(source) && macs_.saw(source, from, most, now);
    }
    if (source != mac_key(from.station_.mac)) {
        return false;
    }
    const Sender sender = sender_of(frame);
    if (!agrees(sender, from.station_)) {
        return false;
    }
    return sender.kind != Sender::Kind::ipv4 || from.station_.ipv4 || !taken(sender.ipv4, from);
}

void Switch::deliver(Place& to, const Frame& frame) {
    to.port_->deliver(frame);
    if (!to.touched_) {
        to.touched_ = true;
        touched_.push_back(&to);
    }
}

void Switch::to_all(const std::vector<Place*>& places, const Place& from, const Frame& frame) {
    for (Place* to : places) {
        if (to != &from) {
            deliver(*to, frame);
        }
    }
}

void Switch::flood(Place& from, const std::vector<Place*>& places, const Frame& frame, Clock::time_point now) {
    const bool few = places.size() <= few_copies;
    if (!from.floods_.try_take(now, 1) || (!few && !copies_.try_take(now, places.size()))) {
        ++from.dropped_rate_;
        ++dropped_rate_;
        return;
    }
    ++floods_;
    to_all(places, from, frame);
}

void Switch::ask(Place& from, Place& owner, const Frame& frame, Clock::time_point now) {
    if (&owner == &from) {
        flood(from, uplinks_, frame, now);
    } else {
        deliver(owner, frame);
    }
}

/// Who asks for an address (ARP, IPv6 neighbour solicitation) asks whoever could answer: the vif that has it. If none has,
/// an ARP request goes to uplinks and to vifs whose addresses the switch does not know; all others may not answer, see
/// `admit`. A thousand guests that come up and announce themselves wake nobody so. False: no such question, or one
/// that anybody could answer.
bool Switch::resolve(Place& from, const Frame& frame, Clock::time_point now) {
    if (const auto target = arp_target(frame.bytes)) {
        const auto owner = by_ipv4_.find(target->number());
        owner == by_ipv4_.end() ? flood(from, open_, frame, now) : ask(from, *owner->second, frame, now);
        return true;
    }
    if (const auto target = solicitation_target(frame.bytes)) {
        if (const auto owner = by_ipv6_.find(*target); owner != by_ipv6_.end()) {
            ask(from, *owner->second, frame, now);
            return true;
        }
    }
    return false;
}

void Switch::forward(Place& from, const Frame& frame, Clock::time_point now) {
    if (frame.bytes.size() < ethernet_header || !checksum_inside(frame) ||
        is_link_local(destination_key(frame.bytes))) {
        ++dropped_malformed_;
        return;
    }
    if (!admit(from, frame.bytes, now)) {
        ++from.dropped_spoofed_;
        ++dropped_spoofed_;
        return;
    }
    const std::uint64_t destination = destination_key(frame.bytes);
    if (is_multicast(destination)) {
        if (!resolve(from, frame, now)) {
            flood(from, all_, frame, now);
        }
        return;
    }
    Place* to = macs_.find(destination, now);
    if (to == nullptr) {
        ++unknown_;
        flood(from, uplinks_, frame, now);
    } else if (to != &from) {
        ++unicasts_;
        deliver(*to, frame);
    }
}

void Switch::flush() {
    for (Place* place : touched_) {
        place->touched_ = false;
        place->port_->flush();
    }
    touched_.clear();
}

bool Switch::has_vifs() const {
    return all_.size() > uplinks_.size();
}

SwitchStatus Switch::status() const {
    return {name_,
            all_.size(),
            macs_.learned(),
            {{"unicasts", unicasts_},
             {"floods", floods_},
             {"unknown", unknown_},
             {"dropped_spoofed", dropped_spoofed_},
             {"dropped_rate", dropped_rate_},
             {"dropped_malformed", dropped_malformed_}}};
}

}  // namespace noxs
