// SPDX-License-Identifier: Apache-2.0
// Error messages out of pieces.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.hpp"

namespace split {

/// A number to be written as 0x...
struct Hex {
    std::uint64_t value;
};

void append(std::string& out, std::string_view text);
void append(std::string& out, Hex number);
/// In the largest unit that divides it ("6 MiB", "4100 bytes").
void append(std::string& out, base::Bytes size);
void append_signed(std::string& out, std::int64_t number);
void append_unsigned(std::string& out, std::uint64_t number);

template <std::integral T>
void append(std::string& out, T number) {
    if constexpr (std::signed_integral<T>) {
        append_signed(out, number);
    } else {
        append_unsigned(out, number);
    }
}

/// All the pieces as one string.
template <class... Pieces>
std::string words(const Pieces&... pieces) {
    std::string out;
    (append(out, pieces), ...);
    return out;
}

}  // namespace split
