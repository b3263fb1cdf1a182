// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "guest-shims/platform/platform.hpp"

namespace guest {

/// lwIP's timers, without a tick where nothing can happen: TCP's run while there are connections, and seldom while
/// nothing is on its way on them. Those of ARP and of reassembly run while the guest sends and a little longer, until none
/// of its questions waits any more; the ticks missed after that are made up when something happens, which ages the table
/// as if it had ticked all along. Frames that only come (broadcasts, a fragment without the rest) start nothing.
class NetTimers {
 public:
    explicit NetTimers(Nanoseconds now) : slow_at_(now.value) {}

    /// A frame was sent.
    void touch(Nanoseconds now) { busy_until_ = now.value + settle; }
    /// Does what is due.
    void run(Nanoseconds now);
    /// How long from `now` until something is due; nothing: never.
    std::optional<Nanoseconds> next(Nanoseconds now) const;

 private:
    /// Longer than a question of ARP (5 s) and fragments (IP_REASS_MAXAGE, 15 s) are kept.
    static constexpr std::uint64_t settle = 17 * ns_per_second;

    bool tcp_running_{false};
    std::uint64_t tcp_at_{0};  ///< when TCP is due
    std::uint64_t slow_at_;    ///< when the others ran last
    std::uint64_t busy_until_{0};
};

}  // namespace guest
