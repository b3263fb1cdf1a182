// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/timers.hpp"

#include "lwip/etharp.h"
#include "lwip/ip4_frag.h"
#include "lwip/priv/tcp_priv.h"

namespace guest {

namespace {

constexpr std::uint64_t tcp_interval = TCP_TMR_INTERVAL * 1'000'000ULL;
constexpr std::uint64_t slow_interval = ARP_TMR_INTERVAL * 1'000'000ULL;
static_assert(ARP_TMR_INTERVAL == IP_TMR_INTERVAL);

/// Of connections on which nothing is on its way: only long times are counted then.
constexpr std::uint64_t quiet_interval = 20 * tcp_interval;

/// After a long time asleep: more would not change anything (ARP), or take the guest's own pause for the peers' (TCP).
constexpr std::uint64_t max_slow_ticks = ARP_MAXAGE + 1;
constexpr std::uint64_t max_tcp_ticks = 2 * quiet_interval / tcp_interval;

/// Connections that are looked at; with more of them something is always on its way.
constexpr unsigned max_looked_at = 64;

bool tcp_needs_timers() {
    return tcp_active_pcbs != nullptr || tcp_tw_pcbs != nullptr;
}

/// Whether a connection waits for an acknowledgement, owes one, or has gaps.
bool tcp_is_busy() {
    unsigned looked_at = 0;
    for (const tcp_pcb* pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
        const bool waits = pcb->unacked != nullptr || pcb->unsent != nullptr || pcb->ooseq != nullptr;
        const bool handshake = pcb->state != ESTABLISHED;
        if (waits || handshake || (pcb->flags & (TF_ACK_DELAY | TF_CLOSEPEND)) != 0 || pcb->refused_data != nullptr ||
            ++looked_at == max_looked_at) {
            return true;
        }
    }
    return false;
}

}  // namespace

void NetTimers::run(Nanoseconds now) {
    const std::uint64_t slow_ticks = (now.value - slow_at_) / slow_interval;
    for (std::uint64_t i = 0; i < slow_ticks && i < max_slow_ticks; ++i) {
        etharp_tmr();
        ip_reass_tmr();
    }
    slow_at_ += slow_ticks * slow_interval;

    if (!tcp_needs_timers()) {
        tcp_running_ = false;
        return;
    }
    if (!tcp_running_) {
        tcp_running_ = true;
        tcp_at_ = now.value + tcp_interval;
    }
    for (std::uint64_t i = 0; i < max_tcp_ticks && now.value >= tcp_at_; ++i) {
        tcp_tmr();
        tcp_at_ += tcp_interval;
    }
    if (now.value >= tcp_at_) {
        tcp_at_ = now.value + tcp_interval;
    }
}

std::optional<Nanoseconds> NetTimers::next(Nanoseconds now) const {
    std::uint64_t at = ~std::uint64_t{0};
    if (now.value < busy_until_) {
        at = slow_at_ + slow_interval;
    }
    if (tcp_running_) {
        const std::uint64_t tcp_at = tcp_is_busy() ? tcp_at_ : tcp_at_ + quiet_interval;
        at = tcp_at < at ? tcp_at : at;
    }
    if (at == ~std::uint64_t{0}) {
        return std::nullopt;
    }
    return Nanoseconds{at > now.value ? at - now.value : 0};
}

}  // namespace guest
