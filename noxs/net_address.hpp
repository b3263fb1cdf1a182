// SPDX-License-Identifier: Apache-2.0
// Addresses of networks, in network byte order, and their texts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace noxs {

struct Mac {
    std::array<std::uint8_t, 6> bytes{};
    bool multicast() const { return (bytes[0] & 1) != 0; }  ///< broadcast too
    friend auto operator<=>(const Mac&, const Mac&) = default;
};
struct Ipv4 {
    std::array<std::uint8_t, 4> bytes{};
    explicit operator bool() const { return bytes != decltype(bytes){}; }
    std::uint32_t number() const {
        return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
    }
    static Ipv4 of(std::uint32_t number) {
        return {{static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
                 static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
    }
    friend auto operator<=>(const Ipv4&, const Ipv4&) = default;
};
struct Ipv6 {
    std::array<std::uint8_t, 16> bytes{};
    explicit operator bool() const { return bytes != decltype(bytes){}; }
    friend auto operator<=>(const Ipv6&, const Ipv6&) = default;
};

/// An address and the length of its network's prefix: "10.0.0.1/24".
struct Ipv4Net {
    Ipv4 address;
    std::uint8_t prefix{0};  ///< 0 .. 32
    std::uint32_t mask() const { return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix); }
    bool holds(Ipv4 other) const { return ((other.number() ^ address.number()) & mask()) == 0; }
    friend bool operator==(const Ipv4Net&, const Ipv4Net&) = default;
};

/// Nothing where the text is no such address.
std::optional<Mac> parse_mac(std::string_view text);
std::optional<Ipv4> parse_ipv4(std::string_view text);
std::optional<Ipv6> parse_ipv6(std::string_view text);
/// "10.0.0.2/24"; without a prefix `default_prefix`.
std::optional<Ipv4Net> parse_ipv4_net(std::string_view text, std::uint8_t default_prefix = 32);

std::string text_of(const Mac& mac);
std::string text_of(const Ipv4& address);
std::string text_of(const Ipv6& address);
std::string text_of(const Ipv4Net& net);

}  // namespace noxs
