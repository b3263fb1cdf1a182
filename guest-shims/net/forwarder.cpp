// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/forwarder.hpp"

#include <utility>

#include "guest-shims/net/checksum.hpp"
#include "guest-shims/net/packet.hpp"

namespace guest {

namespace {

constexpr unsigned frames_a_turn = 64;
constexpr Nanoseconds longest_held{1'000'000'000};
constexpr std::byte echo_request{8};
constexpr std::byte echo_reply{0};

/// A header of version 4 whose checksum and lengths are right.
bool is_ipv4(std::span<const std::byte> packet) {
    if (packet.size() < ipv4_size) {
        return false;
    }
    const auto first = static_cast<std::uint8_t>(packet[0]);
    const std::size_t header = (first & 0xf) * 4U;
    const std::size_t length = load16(&packet[2]);
    return first >> 4 == 4 && header >= ipv4_size && header <= length && length <= packet.size() &&
           ones_sum(packet.first(header)) == 0xffff;
}

/// Nothing where a TCP or UDP packet is cut before its ports.
std::optional<PacketFacts> facts_of(std::span<const std::byte> packet) {
    const std::size_t header = (static_cast<std::size_t>(packet[0]) & 0xf) * 4;
    PacketFacts facts{load32(&packet[16]), 0, static_cast<std::uint8_t>(packet[9])};
    const bool ports = facts.protocol == protocol_tcp || facts.protocol == protocol_udp;
    if (ports && (load16(&packet[6]) & 0x1fff) == 0) {
        if (load16(&packet[2]) < header + 4) {
            return std::nullopt;
        }
        facts.port = load16(&packet[header + 2]);
    }
    return facts;
}

/// One less, and the checksum with it (RFC 1624).
void decrement_ttl(std::byte* packet) {
    packet[8] = static_cast<std::byte>(static_cast<std::uint8_t>(packet[8]) - 1);
    const std::uint32_t sum = load16(packet + 10) + 0x100U;
    store16(packet + 10, static_cast<std::uint16_t>(sum + (sum >> 16)));
}

}  // namespace

Forwarder::Forwarder(System& system, const Rules& rules, Vif::Pools pools)
    : system_(system),
      rules_(rules),
      sides_{{Vif(system, pools), {}, 0, 0, 0}, {Vif(system, pools, &sides_[0].vif), {}, 0, 0, 0}} {
    follow();
    system.set_service(this);
}

void Forwarder::follow() {
    for (auto& side : sides_) {
        side.vif.follow();
        const VifAddress& has = side.vif.address();
        side.address = address_of(has.ipv4);
        side.mask = mask_of(has.prefix);
        side.gateway = address_of(has.gateway);
    }
}

bool Forwarder::work(std::optional<Nanoseconds>& timeout) {
    now_ = system_.platform().monotonic();
    follow();
    drop_old();
    bool more = receive(sides_[0]);
    more = receive(sides_[1]) || more;
    for (auto& side : sides_) {
        side.vif.flush();
    }
    if (more) {
        return false;
    }
    const std::uint32_t frames = gathering_.wanted(timeout);
    for (auto& side : sides_) {
        more = !side.vif.arm(Vif::Until::frame, frames) || more;
    }
    if (!more) {
        gathering_.sleeps();
    }
    return !more;
}

/// Returns whether there may be more.
bool Forwarder::receive(Side& side) {
    for (unsigned i = 0; i < frames_a_turn; ++i) {
        const auto frame = side.vif.receive();
        if (!frame) {
            return false;
        }
        gathering_.took(1);
        if (handle(side, *frame)) {
            side.vif.give_back(frame->buffer);
        }
    }
    return true;
}

/// Returns whether the frame is done with. Hot.
bool Forwarder::handle(Side& side, const Vif::Received& frame) {
    if (frame.bytes.size() < ethernet_size) {
        ++counters_.bad;
        return true;
    }
    switch (load16(&frame.bytes[12])) {
        case type_ipv4: return handle_ipv4(side, frame);
        case type_arp: handle_arp(side, frame.bytes); return true;
        default: ++counters_.bad; return true;
    }
}

bool Forwarder::handle_ipv4(Side& side, const Vif::Received& frame) {
    const auto packet = frame.bytes.subspan(ethernet_size);
    if (__builtin_memcmp(frame.bytes.data(), side.vif.address().mac, sizeof(Mac)) != 0) {
        return true;  // broadcast and multicast stay on their side
    }
    if (!is_ipv4(packet)) {
        ++counters_.bad;
        return true;
    }
    const auto facts = facts_of(packet);
    if (!facts) {
        ++counters_.bad;
        return true;
    }
    if (facts->destination == sides_[0].address || facts->destination == sides_[1].address) {
        answer_ping(side, frame.bytes);
        return true;
    }
    std::uint32_t hop = 0;
    Side* to = route(facts->destination, hop);
    if (to == nullptr || !to->vif.connected()) {
        ++counters_.unreachable;
        return true;
    }
    if (!rules_.allow(*facts)) {
        ++counters_.denied;
        return true;
    }
    const bool too_long = frame.bytes.size() > to->vif.address().mtu + ethernet_size;
    if (static_cast<std::uint8_t>(packet[8]) <= 1 || too_long) {
        ++counters_.bad;
        return true;
    }
    decrement_ttl(packet.data());
    return forward(side, *to, frame, hop);
}

/// Where a packet goes, and the address on that side that takes it.
Forwarder::Side* Forwarder::route(std::uint32_t destination, std::uint32_t& hop) {
    for (auto& side : sides_) {
        if (((destination ^ side.address) & side.mask) == 0 && side.address != 0) {
            hop = destination;
            return &side;
        }
    }
    for (auto& side : sides_) {
        if (side.gateway != 0 && side.gateway != side.address) {
            hop = side.gateway;
            return &side;
        }
    }
    return nullptr;
}

/// Returns whether the frame is done with; else it waits for an answer of ARP.
bool Forwarder::forward(Side& from, Side& to, const Vif::Received& frame, std::uint32_t hop) {
    Mac mac;
    const auto known = to.neighbours.find(hop, now_, mac);
    if (known != Neighbours::Known::yes) {
        send_arp(to, Arp::Operation::request, everybody, hop);
    }
    if (known == Neighbours::Known::no) {
        hold({&from, &to, frame, hop});
        return false;
    }
    send(to, frame, mac);
    return true;
}

void Forwarder::send(Side& to, const Vif::Received& frame, const Mac& mac) {
    const auto room = to.vif.room();
    const bool can_finish = !frame.checksum_blank || to.vif.uses(noxs::wire::VifFeature::tx_checksum);
    if (room.empty() || !can_finish) {
        ++counters_.no_room;
        return;
    }
    copy_frame(room.data(), frame.bytes.data(), frame.bytes.size());
    put_ethernet(room.data(), mac, to.vif.address().mac, type_ipv4);
    to.vif.send(frame.bytes.size(), frame.checksum_blank ? Vif::Checksum::blank : Vif::Checksum::complete);
    ++counters_.forwarded;
}

/// In the place of the one that has waited longest.
void Forwarder::hold(const Held& packet) {
    Held& place = held_[next_held_++ % held_.size()];
    if (place.from != nullptr) {
        let_go(place);
    }
    place = packet;
    place.since = now_;
}

void Forwarder::let_go(Held& held) {
    ++counters_.unreachable;
    held.from->vif.give_back(held.frame.buffer);
    held.from = nullptr;
}

/// Nobody has answered for their hop; senders try again by then.
void Forwarder::drop_old() {
    for (auto& held : held_) {
        if (held.from != nullptr && now_.value - held.since.value > longest_held.value) {
            let_go(held);
        }
    }
}

void Forwarder::release_held(Side& side, std::uint32_t hop) {
    Mac mac;
    if (side.neighbours.find(hop, now_, mac) == Neighbours::Known::no) {
        return;
    }
    for (auto& held : held_) {
        if (held.from != nullptr && held.to == &side && held.hop == hop) {
            send(side, held.frame, mac);
            held.from->vif.give_back(held.frame.buffer);
            held.from = nullptr;
        }
    }
}

void Forwarder::handle_arp(Side& side, std::span<const std::byte> frame) {
    const auto arp = Arp::parse(frame);
    if (!arp) {
        ++counters_.bad;
        return;
    }
    // Of this network only: nobody on it speaks for others.
    if (((arp->sender ^ side.address) & side.mask) != 0 || arp->sender == side.address || arp->target != side.address) {
        return;
    }
    side.neighbours.learn(arp->sender, arp->sender_mac, now_);
    release_held(side, arp->sender);
    if (arp->operation == Arp::Operation::request) {
        send_arp(side, Arp::Operation::reply, arp->sender_mac, arp->sender);
    }
}

void Forwarder::send_arp(Side& side, Arp::Operation operation, const Mac& to, std::uint32_t target) {
    const auto room = side.vif.room();
    if (room.empty()) {
        return;
    }
    Arp arp{operation, {}, side.address, target};
    __builtin_memcpy(arp.sender_mac, side.vif.address().mac, sizeof arp.sender_mac);
    arp.write(room.data(), to);
    side.vif.send(Arp::frame_size, Vif::Checksum::complete);
}

/// Sends the frame back, turned round. What else is for the router itself is dropped.
void Forwarder::answer_ping(Side& side, std::span<std::byte> frame) {
    std::byte* packet = &frame[ethernet_size];
    const std::size_t header = (static_cast<std::size_t>(packet[0]) & 0xf) * 4;
    const std::size_t size = ethernet_size + load16(packet + 2);
    const auto room = side.vif.room();
    if (static_cast<std::uint8_t>(packet[9]) != protocol_icmp || load16(packet + 2) < header + 8 ||
        packet[header] != echo_request || size > room.size()) {
        return;
    }
    Mac mac;
    __builtin_memcpy(mac, &frame[6], sizeof mac);
    __builtin_memcpy(room.data(), frame.data(), size);
    put_ethernet(room.data(), mac, side.vif.address().mac, type_ipv4);
    std::byte* answer = &room[ethernet_size];
    store32(answer + 12, load32(packet + 16));
    store32(answer + 16, load32(packet + 12));
    answer[header] = echo_reply;
    const std::uint32_t sum = load16(answer + header + 2) + 0x800U;
    store16(answer + header + 2, static_cast<std::uint16_t>(sum + (sum >> 16)));
    side.vif.send(size, Vif::Checksum::complete);
}

}  // namespace guest
