// SPDX-License-Identifier: Apache-2.0
// Packets in somebody else's name, from fault.cpp's vif.
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

/// To everybody's port 9 (discard), with `mark` as its contents.
inline RawFrame datagram(const Identity& from, std::uint16_t mark) {
    return ethernet(from, 0x0800)
        .words({0x4500, 30, 0, 0, 0x4011, 0})
        .bytes(from.ip, 4)
        .words({0xffff, 0xffff, 9, 9, 10, 0, mark});
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

/// Twenty packets of each kind that only a liar sends, then one honest datagram (mark 0xd00d).
inline void vif_spoof(System& system) {
    RawVif vif(system);
    vif.connect();
    Identity own{};
    std::memcpy(own.mac, vif.control().mac, sizeof own.mac);
    std::memcpy(own.ip, vif.control().ipv4, sizeof own.ip);
    Identity other_mac = own, other_ip = own;
    other_mac.mac[5] ^= 0x55;
    other_ip.ip[3] ^= 0x55;
    for (unsigned i = 0; i < 20; ++i) {
        vif.send_data(datagram(other_mac, 0xbad1).size());
        vif.send_data(datagram(other_ip, 0xbad2).size());
        vif.send_data(arp_answer(own, other_ip).size());
        vif.send_data(arp_answer(own, other_mac).size());
    }
    vif.send_data(datagram(own, 0xd00d).size());
    vif.console().print("all is sent\n");
    idle(system);
}

}  // namespace guest
