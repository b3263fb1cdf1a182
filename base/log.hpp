// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace base {

enum class Level : std::uint8_t { error, warn, info, debug };

std::optional<Level> level_from_name(std::string_view name) noexcept;

/// Messages above this level are dropped; `info` at start. Any thread.
void set_log_level(Level level) noexcept;

/// Writes one line "time level text" to standard error in one system call. Any thread; never throws, never fails.
/// Not for a hot path.
void log(Level level, std::string_view text) noexcept;

}  // namespace base
