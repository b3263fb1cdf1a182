// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/rules.hpp"

#include "guest-shims/net/packet.hpp"

namespace guest {

namespace {

/// Cuts off what stands before `separator`; all of it where there is none.
std::string_view cut(std::string_view& text, char separator) {
    const std::size_t at = text.find(separator);
    const std::string_view part = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return part;
}

std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
    std::uint32_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9' || text.size() > 5) {
            return std::nullopt;
        }
        value = value * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return text.empty() || value > most ? std::nullopt : std::optional(value);
}

std::optional<std::uint8_t> digit(char c) {
    if (c >= '0' && c <= '9') {
        return static_cast<std::uint8_t>(c - '0');
    }
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? std::optional(static_cast<std::uint8_t>(c - 'a' + 10)) : std::nullopt;
}

}  // namespace

std::optional<std::uint32_t> parse_address(std::string_view text) {
    std::uint32_t address = 0;
    for (int i = 0; i < 4; ++i) {
        if (i == 3 && text.find('.') != std::string_view::npos) {
            return std::nullopt;
        }
        const auto part = number(cut(text, '.'), 255);
        if (!part) {
            return std::nullopt;
        }
        address = address << 8 | *part;
    }
    return address;
}

bool parse_mac(std::string_view text, std::uint8_t (&mac)[6]) {
    if (text.size() != 17) {
        return false;
    }
    for (std::size_t i = 0; i < 6; ++i) {
        const auto high = digit(text[3 * i]);
        const auto low = digit(text[3 * i + 1]);
        if (!high || !low || (i < 5 && text[3 * i + 2] != ':')) {
            return false;
        }
        mac[i] = static_cast<std::uint8_t>(*high << 4 | *low);
    }
    return true;
}

std::optional<Rules::Rule> Rules::parse_rule(std::string_view text) {
    Rule rule{false, 0, 0, 0xffff, 0, 0};
    std::string_view what = cut(text, '@');
    if (!text.empty()) {
        const auto address = parse_address(cut(text, '/'));
        const auto prefix = text.empty() ? std::optional(32U) : number(text, 32);
        if (!address || !prefix) {
            return std::nullopt;
        }
        rule.mask = mask_of(static_cast<std::uint8_t>(*prefix));
        rule.network = *address & rule.mask;
    }
    const std::string_view protocol = cut(what, '/');
    if (protocol == "tcp" || protocol == "udp") {
        rule.protocol = protocol == "tcp" ? protocol_tcp : protocol_udp;
    } else if (protocol == "icmp") {
        rule.protocol = protocol_icmp;
    } else if (protocol != "any") {
        return std::nullopt;
    }
    if (what.empty()) {
        return rule;
    }
    const auto first = number(cut(what, '-'), 0xffff);
    const auto last = what.empty() ? first : number(what, 0xffff);
    if (!first || !last || *first < 1 || *first > *last || rule.protocol == protocol_icmp) {
        return std::nullopt;
    }
    rule.first_port = static_cast<std::uint16_t>(*first);
    rule.last_port = static_cast<std::uint16_t>(*last);
    return rule;
}

bool Rules::parse(std::string_view cmdline) {
    while (!cmdline.empty()) {
        const std::string_view word = cut(cmdline, ' ');
        const bool allow = word.starts_with("allow=");
        if (!allow && !word.starts_with("deny=")) {
            continue;
        }
        auto rule = parse_rule(word.substr(word.find('=') + 1));
        if (!rule || count_ == max_rules) {
            bad_ = word;
            return false;
        }
        rule->allow = allow;
        rules_[count_++] = *rule;
    }
    return true;
}

bool Rules::allow(const PacketFacts& packet) const {
    for (std::size_t i = 0; i < count_; ++i) {
        const Rule& rule = rules_[i];
        if ((rule.protocol == 0 || rule.protocol == packet.protocol) && packet.port >= rule.first_port &&
            packet.port <= rule.last_port && (packet.destination & rule.mask) == rule.network) {
            return rule.allow;
        }
    }
    return true;
}

}  // namespace guest
