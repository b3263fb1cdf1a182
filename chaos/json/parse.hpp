// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "chaos/json/value.hpp"

namespace chaos::json {

enum class Comments : std::uint8_t { rejected, allowed };

/// Nesting and members per object that a document may have; what is beyond is refused, not followed.
inline constexpr std::size_t max_depth = 64;
inline constexpr std::size_t max_members = 1024;

struct ParseError {
    std::size_t offset{0};  ///< byte of the document where it stopped making sense
    std::string message;
};

/// Parses one JSON document (nlohmann/json underneath). Repeated keys, invalid UTF-8 and too deep nesting are errors.
std::expected<Value, ParseError> parse(std::string_view text, Comments comments);

struct Position {
    std::size_t line{1};
    std::size_t column{1};  ///< in bytes
};

/// Line and column of byte `offset`, both from 1.
Position position_of(std::string_view text, std::size_t offset);

}  // namespace chaos::json
