// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace guest {

/// The value of the last word `key=value` of a command line whose words are separated by blanks.
std::optional<std::string_view> option(std::string_view cmdline, std::string_view key);

/// The same as a decimal number, optionally signed. Nothing where it is missing, no number, or too big.
std::optional<std::int32_t> number_option(std::string_view cmdline, std::string_view key);

/// The first word that is not `key=value`; empty where there is none.
std::string_view first_bare_word(std::string_view cmdline);

}  // namespace guest
