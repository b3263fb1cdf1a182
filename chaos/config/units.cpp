// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/units.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace chaos {

namespace {

struct Unit {
    std::string_view name;
    unsigned shift;
};
constexpr Unit units[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Cuts `text` at the first `separator`; the rest stays in `text`.
std::string_view cut(std::string_view& text, char separator) {
    const std::size_t end = text.find(separator);
    const std::string_view head = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return head;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

std::optional<base::Bytes> parse_size(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_number(text.substr(0, digits));
    std::string_view name = text.substr(digits);
    name.remove_prefix(name.starts_with(' ') ? 1 : 0);
    for (const Unit& unit : units) {
        if (number && name == unit.name) {
            const std::uint64_t bytes = *number << unit.shift;
            return bytes >> unit.shift == *number ? std::optional(base::Bytes{bytes}) : std::nullopt;
        }
    }
    return std::nullopt;
}

std::string size_text(base::Bytes size) {
    for (const Unit& unit : units) {
        if (size.value >> unit.shift << unit.shift == size.value && size.value >> unit.shift != 0) {
            return std::to_string(size.value >> unit.shift).append(unit.name);
        }
    }
    return "0B";
}

std::optional<std::uint64_t> parse_rate(std::string_view text) {
    constexpr std::pair<std::string_view, std::uint64_t> rates[] = {
        {"Kbit", 1'000}, {"Mbit", 1'000'000}, {"Gbit", 1'000'000'000}, {"bit", 1}};
    for (const auto& [name, bits] : rates) {
        if (text.ends_with(name)) {
            const auto number = parse_number(text.substr(0, text.size() - name.size()));
            return number && *number <= ~std::uint64_t{0} / bits ? std::optional(*number * bits) : std::nullopt;
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> parse_cpus(std::string_view text) {
    constexpr std::uint64_t last_cpu = 63;
    std::uint64_t cpus = 0;
    if (text.empty() || text.ends_with(',')) {
        return std::nullopt;
    }
    while (!text.empty()) {
        std::string_view range = cut(text, ',');
        const bool single = range.find('-') == std::string_view::npos;
        const auto first = parse_number(cut(range, '-'));
        const auto last = single ? first : parse_number(range);
        if (!first || !last || *first > *last || *last > last_cpu) {
            return std::nullopt;
        }
        for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) {
            cpus |= std::uint64_t{1} << cpu;
        }
    }
    return cpus;
}

base::Result<void> check_name(std::string_view name) {
    constexpr std::string_view expected =
        "; expected 1 to 63 letters, digits, '.', '_' or '-', the first a letter or digit, and not digits alone";
    const auto wrong = [&](std::string_view what) {
        return base::fail(base::Code::invalid_argument, std::string(what).append(expected));
    };
    if (name.empty() || name.size() > max_name) {
        return wrong(name.empty() ? "the name is empty" : "the name is too long");
    }
    const auto allowed = [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; };
    if (!is_alnum(name.front()) || !std::all_of(name.begin(), name.end(), allowed)) {
        return wrong("a character in the name is not allowed");
    }
    if (std::all_of(name.begin(), name.end(), is_digit)) {
        return wrong("a name of digits alone would be taken for an id");
    }
    return {};
}

bool is_ipv4(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos) {
        const auto prefix = parse_number(text.substr(slash + 1));
        if (!prefix || *prefix > 32) {
            return false;
        }
        text = text.substr(0, slash);
    }
    if (std::count(text.begin(), text.end(), '.') != 3) {
        return false;
    }
    for (int i = 0; i < 4; ++i) {
        const auto octet = parse_number(cut(text, '.'));
        if (!octet || *octet > 255) {
            return false;
        }
    }
    return true;
}

bool is_ipv6(std::string_view text) {
    constexpr std::uint64_t longest_prefix = 128;
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos) {
        const auto prefix = parse_number(text.substr(slash + 1));
        if (!prefix || *prefix > longest_prefix) {
            return false;
        }
        text = text.substr(0, slash);
    }
    in6_addr address{};
    return text.size() < INET6_ADDRSTRLEN && ::inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool is_mac(std::string_view text) {
    constexpr std::size_t mac_characters = 17;
    if (text.size() != mac_characters) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i % 3 == 2 ? text[i] != ':' : !is_hex(text[i])) {
            return false;
        }
    }
    return true;
}

bool is_interface(std::string_view text) {
    constexpr std::size_t ifnamsiz = 16;  // linux/if.h, with its NUL
    return !text.empty() && text.size() < ifnamsiz && text.find_first_of("/ \t\n:") == std::string_view::npos &&
           text != "." && text != "..";
}

}  // namespace chaos
