// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace guest {

/// What a rule looks at. Ports are 0 where the packet has none, or is not the first fragment.
struct PacketFacts {
    std::uint32_t destination;
    std::uint16_t port;  ///< destination port of TCP and UDP
    std::uint8_t protocol;
};

/// A packet filter: the first rule that matches decides; what matches none passes. Rules are words of a command line:
///   allow=RULE or deny=RULE, RULE = any|tcp|udp|icmp [/PORT or /FIRST-LAST] [@ADDRESS or @ADDRESS/PREFIX]
class Rules {
 public:
    static constexpr std::size_t max_rules = 64;

    /// Other words are left alone. Returns false, with the word in `bad()`, where one is not understood or too much.
    bool parse(std::string_view cmdline);
    std::string_view bad() const { return bad_; }

    /// Hot.
    bool allow(const PacketFacts& packet) const;
    std::size_t size() const { return count_; }

 private:
    struct Rule {
        bool allow;
        std::uint8_t protocol;  ///< 0: any
        std::uint16_t first_port;
        std::uint16_t last_port;
        std::uint32_t network;
        std::uint32_t mask;
    };
    static std::optional<Rule> parse_rule(std::string_view text);

    std::array<Rule, max_rules> rules_{};
    std::size_t count_{0};
    std::string_view bad_;
};

/// "10.1.2.3" in host byte order.
std::optional<std::uint32_t> parse_address(std::string_view text);
/// "02:63:68:00:00:01".
bool parse_mac(std::string_view text, std::uint8_t (&mac)[6]);

}  // namespace guest
