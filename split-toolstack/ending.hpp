// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "hypervisor/hypervisor.hpp"
#include "noxs/backends/sysctl.hpp"
#include "split-toolstack/crash_report.hpp"
#include "split-toolstack/toolstack.hpp"

namespace split {

/// The three ways to end that a configuration has actions for.
enum class EndKind : std::uint8_t { poweroff, reboot, crash };

/// What became of a domain.
struct Ending {
    EndKind kind{EndKind::poweroff};
    State state{State::shutdown};  ///< shutdown or crashed
    std::int32_t code{0};          ///< exit code
    std::string text;              ///< for people
    CrashReport crash{};           ///< where it crashed
};

/// Out of what the driver saw and the guest said. The driver is believed first: a guest that announced a power-off and
/// then crashed has crashed.
Ending judge(const hypervisor::Death& death, const noxs::FinalState& last_words);

EndAction action_for(const VmConfig& config, EndKind kind);

/// Stops a guest that reboots or crashes in a loop: a domain and its successors restart at most `most` times within
/// `window`.
class RestartLimit {
 public:
    static constexpr unsigned most = 5;
    static constexpr auto window = std::chrono::seconds(10);

    /// Counts a restart; false: one too many.
    bool allow(Clock::time_point now);

 private:
    Clock::time_point begin_{};
    unsigned count_{0};
};

}  // namespace split
