// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace chaos {

/// "8MiB", "64KiB", "1GiB", "4096B" to bytes; empty: it is no size, or beyond 64 bits.
std::optional<base::Bytes> parse_size(std::string_view text);

/// The shortest exact form: "8MiB", "4KiB", "1000B".
std::string size_text(base::Bytes size);

/// "100Mbit", "1Gbit", "64Kbit", "8000bit" to bits a second; empty: it is no rate, or beyond 64 bits.
std::optional<std::uint64_t> parse_rate(std::string_view text);

/// A list of CPUs, "0-3,5", to a bit per CPU. Empty: it is none, or names a CPU above 63.
std::optional<std::uint64_t> parse_cpus(std::string_view text);

/// A whole number and nothing else.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// Names of domains: 1 to 63 letters, digits, '.', '_' and '-'; begins with a letter or digit; not a bare number (that
/// is an id). On error says what is wrong and what is expected.
base::Result<void> check_name(std::string_view name);
inline constexpr std::size_t max_name = 63;

/// An IPv4 or IPv6 address with or without prefix length; a MAC address; the name of a network interface.
bool is_ipv4(std::string_view text);
bool is_ipv6(std::string_view text);
bool is_mac(std::string_view text);
bool is_interface(std::string_view text);

}  // namespace chaos
