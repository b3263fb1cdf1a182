// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "guest-shims/frontends/vbd.hpp"
#include "guest-shims/runtime/cmdline.hpp"

namespace guest {

enum class Mode : std::uint8_t { verify, write, read, discard, bench };

/// The command line of blkcheck.
struct Options {
    Mode mode{Mode::verify};
    std::uint64_t size{0};  ///< bytes; 0: the whole disk
    std::uint32_t block_size{256 << 10};
    std::uint32_t depth{8};
    std::uint64_t seed{1};
    bool loop{false};

    std::string_view op{"randread"};
    bool random{true};
    bool writes{false};
    std::uint64_t seconds{5};
};

/// "4096", "64KiB", "1GiB". Nothing where it is no such number, or 2^53 or more.
inline std::optional<std::uint64_t> parse_size(std::string_view text) {
    std::uint64_t number = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9' && digits < 16; ++digits) {
        number = number * 10 + static_cast<std::uint64_t>(text[digits] - '0');
    }
    const std::string_view unit = text.substr(digits);
    const int shift = unit.empty() ? 0 : unit == "KiB" ? 10 : unit == "MiB" ? 20 : unit == "GiB" ? 30 : -1;
    const bool fits = shift >= 0 && number < std::uint64_t{1} << (53 - shift);
    return digits > 0 && fits ? std::optional(number << shift) : std::nullopt;
}

/// The value of `key`, `otherwise` where there is none; nothing where it is no size.
inline std::optional<std::uint64_t> size_option(std::string_view cmdline, std::string_view key,
                                                std::uint64_t otherwise) {
    const auto text = option(cmdline, key);
    return text ? parse_size(*text) : std::optional(otherwise);
}

inline bool parse_mode(std::string_view cmdline, Options& options) {
    const std::string_view mode = option(cmdline, "mode").value_or("verify");
    options.op = option(cmdline, "op").value_or("randread");
    options.random = options.op.starts_with("rand");
    options.writes = options.op.ends_with("write");
    if (mode == "bench") {
        options.mode = Mode::bench;
        options.block_size = 4096;
        options.depth = 32;
        return options.op == "randread" || options.op == "read" || options.op == "randwrite" || options.op == "write";
    }
    options.mode = mode == "write"     ? Mode::write
                   : mode == "read"    ? Mode::read
                   : mode == "discard" ? Mode::discard
                                       : Mode::verify;
    return options.mode != Mode::verify || mode == "verify";
}

/// Nothing where they make no sense: a block is a multiple of a page up to 1 MiB, the depth 1 to 32.
inline std::optional<Options> parse_options(std::string_view cmdline) {
    Options options;
    if (!parse_mode(cmdline, options)) {
        return std::nullopt;
    }
    const auto size = size_option(cmdline, "size", 0);
    const auto block = size_option(cmdline, "bs", options.block_size);
    const auto depth = size_option(cmdline, "depth", options.depth);
    const auto seed = size_option(cmdline, "seed", options.seed);
    const auto seconds = size_option(cmdline, "seconds", options.seconds);
    const bool sound = size && *size % noxs::wire::page_size == 0 && block && *block != 0 &&
                       *block % noxs::wire::page_size == 0 &&
                       *block <= std::uint64_t{Vbd::max_request_pages} * noxs::wire::page_size && depth &&
                       *depth != 0 && *depth <= Vbd::max_requests && seed && seconds && *seconds <= 3600;
    if (!sound) {
        return std::nullopt;
    }
    options.size = *size;
    options.block_size = static_cast<std::uint32_t>(*block);
    options.depth = static_cast<std::uint32_t>(*depth);
    options.seed = *seed;
    options.seconds = *seconds;
    options.loop = number_option(cmdline, "loop") == 1;
    return options;
}

}  // namespace guest
