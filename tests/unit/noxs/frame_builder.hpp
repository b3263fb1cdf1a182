// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "noxs/net_address.hpp"
#include "noxs/switch/port.hpp"

namespace test_support {

using Bytes = std::vector<std::byte>;

inline noxs::Mac mac(unsigned number) {
    return {{2, 0x63, 0x68, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}
inline const noxs::Mac broadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
/// 10.0.0.`number`.
inline noxs::Ipv4 ip(unsigned number) {
    return noxs::Ipv4::of(0x0a000000U + number);
}

/// Puts frames together, field by field, in network byte order.
class FrameBuilder {
 public:
    FrameBuilder& u8(unsigned value) {
        bytes_.push_back(static_cast<std::byte>(value));
        return *this;
    }
    FrameBuilder& u16(unsigned value) { return u8(value >> 8).u8(value & 255); }
    template <class Address>
    FrameBuilder& address(const Address& address) {
        for (const auto byte : address.bytes) {
            u8(byte);
        }
        return *this;
    }
    FrameBuilder& fill(std::size_t size, unsigned value = 0) {
        bytes_.insert(bytes_.end(), size, static_cast<std::byte>(value));
        return *this;
    }
    FrameBuilder& ethernet(const noxs::Mac& to, const noxs::Mac& from, unsigned type) {
        return address(to).address(from).u16(type);
    }
    Bytes done() { return std::move(bytes_); }

 private:
    Bytes bytes_;
};

inline FrameBuilder& put_ipv4(FrameBuilder& frame, noxs::Ipv4 from, noxs::Ipv4 to, unsigned protocol,
                              std::size_t payload, unsigned fragment = 0) {
    return frame.u8(0x45)
        .u8(0)
        .u16(static_cast<unsigned>(20 + payload))
        .u16(1)
        .u16(fragment)
        .u8(64)
        .u8(protocol)
        .u16(0)
        .address(from)
        .address(to);
}
/// UDP of `size` bytes of payload; its checksum field holds `checksum`.
inline Bytes udp_frame(const noxs::Mac& to, const noxs::Mac& from, noxs::Ipv4 from_ip, noxs::Ipv4 to_ip,
                       std::size_t size = 10, unsigned checksum = 0, unsigned to_port = 9) {
    FrameBuilder frame;
    frame.ethernet(to, from, 0x0800);
    put_ipv4(frame, from_ip, to_ip, 17, 8 + size);
    return frame.u16(7).u16(to_port).u16(static_cast<unsigned>(8 + size)).u16(checksum).fill(size, 0x5a).done();
}
inline Bytes arp_frame(const noxs::Mac& to, const noxs::Mac& from, unsigned operation, noxs::Ipv4 from_ip,
                       noxs::Ipv4 to_ip) {
    return FrameBuilder()
        .ethernet(to, from, 0x0806)
        .u16(1)
        .u16(0x0800)
        .u8(6)
        .u8(4)
        .u16(operation)
        .address(from)
        .address(from_ip)
        .address(noxs::Mac{})
        .address(to_ip)
        .done();
}
inline Bytes ipv6_frame(const noxs::Mac& to, const noxs::Mac& from, const noxs::Ipv6& from_ip, unsigned next,
                        const Bytes& payload) {
    FrameBuilder frame;
    frame.ethernet(to, from, 0x86dd)
        .u8(0x60)
        .u8(0)
        .u16(0)
        .u16(static_cast<unsigned>(payload.size()))
        .u8(next)
        .u8(255)
        .address(from_ip)
        .address(noxs::Ipv6{});
    auto made = frame.done();
    made.insert(made.end(), payload.begin(), payload.end());
    return made;
}

/// A port that keeps what it is given.
class RecordingPort final : public noxs::SwitchPort {
 public:
    bool deliver(const noxs::Frame& frame) override {
        frames.emplace_back(frame.bytes.begin(), frame.bytes.end());
        return true;
    }
    void flush() override { ++flushes; }
    noxs::Counters counters() const override { return {}; }

    std::vector<Bytes> frames;
    unsigned flushes{0};
};

}  // namespace test_support
