// SPDX-License-Identifier: Apache-2.0
// Packets in somebody else's name, or more than there should be, from fault.cpp's vif.
#pragma once

#include "guest-shims/guests/fault_vif.hpp"

namespace guest {

/// A frame in the making, at the begin of RawVif::data.
class RawFrame {
 public:
    RawFrame& bytes(const void* from, std::size_t count) {
        std::memcpy(reinterpret_cast<unsigned char*>(&RawVif::data()) + size_, from, count);
        size_ += count;
        return *this;
    }
    RawFrame& words(std::initializer_list<std::uint16_t> values) {
        for (const std::uint16_t value : values) {
            const unsigned char big_endian[] = {static_cast<unsigned char>(value >> 8),
                                                static_cast<unsigned char>(value)};
            bytes(big_endian, 2);
        }
        return *this;
    }
    std::uint16_t size() const { return static_cast<std::uint16_t>(size_); }

 private:
    std::size_t size_{0};
};

struct Identity {
    std::uint8_t mac[6];
    std::uint8_t ip[4];
};

inline RawFrame ethernet(const Identity& from, std::uint16_t type) {
    return RawFrame{}.words({0xffff, 0xffff, 0xffff}).bytes(from.mac, 6).words({type});
}

constexpr std::uint16_t discard_port = 9;
constexpr std::uint16_t dhcp_server_port = 67;

/// To everybody's port 9, with `mark` as its contents, behind an Ethernet header that is there already.
inline RawFrame with_datagram(RawFrame frame, const Identity& from, std::uint16_t mark,
                              std::uint16_t source_port = discard_port) {
    return frame.words({0x4500, 30, 0, 0, 0x4011, 0})
        .bytes(from.ip, 4)
        .words({0xffff, 0xffff, source_port, discard_port, 10, 0, mark});
}
inline RawFrame datagram(const Identity& from, std::uint16_t mark) {
    return with_datagram(ethernet(from, 0x0800), from, mark);
}

/// On the VLAN 7.
inline RawFrame tagged(const Identity& from, std::uint16_t mark) {
    return with_datagram(ethernet(from, 0x8100).words({7, 0x0800}), from, mark);
}

inline RawFrame dhcp_answer(const Identity& from, std::uint16_t mark) {
    return with_datagram(ethernet(from, 0x0800), from, mark, dhcp_server_port);
}

/// "`sender`.ip is at `sender`.mac", unasked, from `from`.
inline RawFrame arp_answer(const Identity& from, const Identity& sender) {
    return ethernet(from, 0x0806)
        .words({1, 0x0800, 0x0604, 2})
        .bytes(sender.mac, 6)
        .bytes(sender.ip, 4)
        .words({0xffff, 0xffff, 0xffff})
        .bytes(sender.ip, 4);
}

inline Identity identity_of(RawVif& vif) {
    Identity own{};
    std::memcpy(own.mac, vif.control().mac, sizeof own.mac);
    std::memcpy(own.ip, vif.control().ipv4, sizeof own.ip);
    return own;
}

/// Broadcasts without end.
inline void vif_flood(System& system) {
    RawVif vif(system);
    vif.connect();
    const std::uint16_t size = datagram(identity_of(vif), 0).size();
    for (;;) {
        if (vif.send_many(size) != 0) {
            system.panic("a good packet is refused");
        }
    }
}

/// Twenty packets of each kind that only a liar, or the network's owner, sends; then one honest datagram (mark 0xd00d).
inline void vif_spoof(System& system) {
    RawVif vif(system);
    vif.connect();
    const Identity own = identity_of(vif);
    Identity other_mac = own, other_ip = own;
    other_mac.mac[5] ^= 0x55;
    other_ip.ip[3] ^= 0x55;
    for (unsigned i = 0; i < 20; ++i) {
        vif.send_data(datagram(other_mac, 0xbad1).size());
        vif.send_data(datagram(other_ip, 0xbad2).size());
        vif.send_data(arp_answer(own, other_ip).size());
        vif.send_data(arp_answer(own, other_mac).size());
        vif.send_data(tagged(own, 0xbad3).size());
        vif.send_data(dhcp_answer(own, 0xbad4).size());
    }
    vif.send_data(datagram(own, 0xd00d).size());
    vif.console().print("all is sent\n");
    idle(system);
}

}  // namespace guest
