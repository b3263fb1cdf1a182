// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/cmdline.hpp"

#include <limits>

namespace guest {

namespace {

constexpr bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n';
}

/// Cuts the first word off `rest`; empty when there are no more.
std::string_view next_word(std::string_view& rest) {
    while (!rest.empty() && is_blank(rest.front())) {
        rest.remove_prefix(1);
    }
    std::size_t length = 0;
    while (length < rest.size() && !is_blank(rest[length])) {
        ++length;
    }
    const std::string_view word = rest.substr(0, length);
    rest.remove_prefix(length);
    return word;
}

std::optional<std::int32_t> parse_number(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) {
        text.remove_prefix(1);
    }
    if (text.empty()) {
        return std::nullopt;
    }
    std::int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        value = value * 10 + (c - '0');
        if (value > std::int64_t{std::numeric_limits<std::int32_t>::max()} + 1) {
            return std::nullopt;
        }
    }
    value = negative ? -value : value;
    if (value > std::numeric_limits<std::int32_t>::max()) {
        return std::nullopt;
    }
    return static_cast<std::int32_t>(value);
}

}  // namespace

std::optional<std::string_view> option(std::string_view cmdline, std::string_view key) {
    std::optional<std::string_view> found;
    for (auto word = next_word(cmdline); !word.empty(); word = next_word(cmdline)) {
        if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=') {
            found = word.substr(key.size() + 1);
        }
    }
    return found;
}

std::optional<std::int32_t> number_option(std::string_view cmdline, std::string_view key) {
    const auto text = option(cmdline, key);
    return text ? parse_number(*text) : std::nullopt;
}

std::string_view first_bare_word(std::string_view cmdline) {
    for (auto word = next_word(cmdline); !word.empty(); word = next_word(cmdline)) {
        if (word.find('=') == std::string_view::npos) {
            return word;
        }
    }
    return {};
}

}  // namespace guest
