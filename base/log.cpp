// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <ctime>

namespace base {

namespace {

constexpr std::array<std::string_view, 4> names{"error", "warn", "info", "debug"};

/// The one mutable global of the host side: a log that had to be handed to every leaf would cost more than it gives.
std::atomic<Level> threshold{Level::info};

}  // namespace

std::optional<Level> level_from_name(std::string_view name) noexcept {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) {
            return static_cast<Level>(i);
        }
    }
    return std::nullopt;
}

void set_log_level(Level level) noexcept {
    threshold.store(level, std::memory_order_relaxed);
}

void log(Level level, std::string_view text) noexcept {
    if (level > threshold.load(std::memory_order_relaxed)) {
        return;
    }
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    std::array<char, 1024> line;
    const auto head = std::strftime(line.data(), line.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    const auto size = std::snprintf(line.data() + head, line.size() - head, ".%03ldZ %s %.*s\n", now.tv_nsec / 1000000,
                                    names[static_cast<std::size_t>(level)].data(),
                                    static_cast<int>(std::min<std::size_t>(text.size(), 900)), text.data());
    if (::write(STDERR_FILENO, line.data(), head + static_cast<std::size_t>(size)) < 0) {
        return;  // nobody listens; there is nobody to tell
    }
}

}  // namespace base
