// SPDX-License-Identifier: Apache-2.0
#include "noxs/net_address.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace noxs {

namespace {

template <class Address>
std::optional<Address> parse(int family, std::string_view text) {
    Address address;
    const std::string terminated(text);
    if (::inet_pton(family, terminated.c_str(), address.bytes.data()) != 1 || terminated.find('\0') != text.npos) {
        return std::nullopt;
    }
    return address;
}

template <class Address>
std::string print(int family, const Address& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(family, address.bytes.data(), text.data(), text.size());
    return text.data();
}

}  // namespace

std::optional<Mac> parse_mac(std::string_view text) {
    Mac mac;
    if (text.size() != 17) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
        const char* at = text.data() + 3 * i;
        const auto [end, error] = std::from_chars(at, at + 2, mac.bytes[i], 16);
        if (error != std::errc() || end != at + 2 || (i > 0 && at[-1] != ':')) {
            return std::nullopt;
        }
    }
    return mac;
}

std::optional<Ipv4> parse_ipv4(std::string_view text) {
    return parse<Ipv4>(AF_INET, text);
}

std::optional<Ipv6> parse_ipv6(std::string_view text) {
    return parse<Ipv6>(AF_INET6, text);
}

std::optional<Ipv4Net> parse_ipv4_net(std::string_view text, std::uint8_t default_prefix) {
    const auto slash = text.find('/');
    const auto address = parse_ipv4(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    Ipv4Net net{*address, default_prefix};
    if (slash != text.npos) {
        const auto digits = text.substr(slash + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), net.prefix);
        if (error != std::errc() || end != digits.data() + digits.size() || net.prefix > 32) {
            return std::nullopt;
        }
    }
    return net;
}

std::string text_of(const Mac& mac) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const auto byte : mac.bytes) {
        text += text.empty() ? "" : ":";
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

std::string text_of(const Ipv4& address) {
    return print(AF_INET, address);
}

std::string text_of(const Ipv6& address) {
    return print(AF_INET6, address);
}

std::string text_of(const Ipv4Net& net) {
    return text_of(net.address) + "/" + std::to_string(net.prefix);
}

}  // namespace noxs
