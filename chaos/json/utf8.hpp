// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace chaos::json {

/// Length of the well-formed UTF-8 sequence (RFC 3629) at the start of `text`; 0: there is none.
std::size_t utf8_length(std::string_view text) noexcept;

/// True when all of `text` is well-formed UTF-8.
bool is_utf8(std::string_view text) noexcept;

}  // namespace chaos::json
