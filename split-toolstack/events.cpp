// SPDX-License-Identifier: Apache-2.0
// What the driver, the backends and the clock report.
#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/log.hpp"
#include "split-toolstack/metrics.hpp"
#include "split-toolstack/stopwatch.hpp"
#include "split-toolstack/toolstack_impl.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

/// Events taken from the driver, and domains served by the clock, in one poll.
constexpr std::size_t poll_budget = 256;
constexpr unsigned due_budget = 64;

/// Measurements are written this long after they were made, a few at a time, in a pause between launches.
constexpr auto flush_after = std::chrono::milliseconds(250);
constexpr auto flush_quiet = std::chrono::milliseconds(5);
constexpr unsigned flush_budget = 16;

std::optional<Clock::time_point> earliest(std::initializer_list<std::optional<Clock::time_point>> times) {
    std::optional<Clock::time_point> first;
    for (const auto& time : times) {
        if (time && (!first || *time < *first)) {
            first = time;
        }
    }
    return first;
}

}  // namespace

void ToolstackImpl::poll() {
    if (lost_) {
        return;
    }
    if (const auto polled = hypervisor_->poll(*this, poll_budget); !polled && !lost_) {
        lost_ = polled.error();
    }
    // Endings destroy domains and create others: only once the driver has left its own loop.
    for (const auto& [domain, death] : std::exchange(deaths_, {})) {
        finish_death(domain, death);
    }
    take_loaded();
    poll_plane();
    if (lost_) {
        observer_.on_lost(*lost_);
        return;
    }
    const auto now = Clock::now();
    for (unsigned i = 0; i < due_budget; ++i) {
        const auto domain = timers_.pop_due(now);
        if (!domain) {
            break;
        }
        due(*domain, now);
    }
    pool_->tick(now);
    flush(now);
}

std::optional<Clock::time_point> ToolstackImpl::deadline() const {
    if (lost_) {
        return std::nullopt;
    }
    return earliest({timers_.next(), pool_->deadline(), flush_at_, loader_.deadline()});
}

void ToolstackImpl::measured(LiveDomain& live, Clock::time_point now) {
    live.unsaved = true;
    if (!flush_at_) {
        flush_at_ = now + flush_after;
    }
}

void ToolstackImpl::flush(Clock::time_point now) {
    if (!flush_at_ || *flush_at_ > now) {
        return;
    }
    if (now - last_launch_ < flush_quiet) {
        flush_at_ = now + flush_after;
        return;
    }
    flush_at_.reset();
    unsigned left = flush_budget;
    domains_.for_each([&](LiveDomain& live) {
        if (!live.unsaved) {
            return;
        }
        if (left == 0) {
            flush_at_ = now;
            return;
        }
        --left;
        live.unsaved = false;
        if (const auto saved = registry_.save(live.record); !saved) {
            base::log(base::Level::warn, saved.error().message);
        }
    });
}

void ToolstackImpl::on_channel(base::DomId domain, base::EvtchnPort port) {
    LiveDomain* live = domains_.find(domain);
    if (live == nullptr || live->life == Life::ended) {
        return;
    }
    const auto when = live->devices.on_event(port, Clock::now());
    look_again(domain, when);
}

void ToolstackImpl::look_again(base::DomId domain, std::optional<Clock::time_point> when) {
    LiveDomain* live = domains_.find(domain);
    if (!when || live == nullptr) {
        return;
    }
    if (!live->console_at || *when < *live->console_at) {
        live->console_at = when;
        timers_.arm(*when, domain);
    }
}

void ToolstackImpl::due(base::DomId domain, Clock::time_point now) {
    LiveDomain* live = domains_.find(domain);
    if (live != nullptr && live->postponed) {
        succeed_at_last(*live);
        return;
    }
    if (live == nullptr || live->life == Life::ended) {
        return;
    }
    if (live->force_at && *live->force_at <= now) {
        force(*live);
        return;
    }
    if (live->console_at && *live->console_at <= now) {
        live->console_at.reset();
        look_again(domain, live->devices.on_all(now));
    }
    force_detaches(*live, now);
    look_for_disks(*live, now);
}

void ToolstackImpl::force_by(LiveDomain& live, Clock::time_point when) {
    if (!live.force_at) {
        live.force_at = when;
        timers_.arm(when, live.id());
    }
}

void ToolstackImpl::on_death(base::DomId domain, const hypervisor::Death& death) {
    if (domains_.find(domain) == nullptr) {
        pool_->shell_died(domain);
    } else {
        deaths_.emplace_back(domain, death);
    }
}

void ToolstackImpl::on_lost(const base::Error& why) {
    base::log(base::Level::error, words("the hypervisor is gone and all domains with it: ", why.message));
    lost_ = why;
}

void ToolstackImpl::on_ready(base::DomId domain) {
    LiveDomain* live = domains_.find(domain);
    if (live == nullptr || live->ready) {
        return;
    }
    live->ready = true;
    if (!live->adopted) {
        const auto now = Clock::now();
        const auto ns = timing_ns(now - live->started);
        live->record.timing[static_cast<std::size_t>(Phase::ready)] = ns;
        live->record.ready_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(now - live->begin).count());
        measured(*live, now);
        count_phase(metrics_, Phase::ready, ns);
    }
    emit(EventKind::ready, *live);
}

void ToolstackImpl::on_shutdown(base::DomId domain, noxs::wire::ShutdownReason, std::int32_t) {
    // The death that follows tells the reason again; a guest that only says it is ended by force.
    if (LiveDomain* live = domains_.find(domain)) {
        force_by(*live, Clock::now() + settings_.shutdown_grace);
    }
}

void ToolstackImpl::on_acknowledged(base::DomId domain, std::uint32_t) {
    base::log(base::Level::debug, words("domain ", domain.value, " acknowledged a request"));
}

void ToolstackImpl::on_console_output(base::DomId domain, std::uint64_t offset, std::span<const char> bytes) {
    if (LiveDomain* live = domains_.find(domain)) {
        live->has_output = true;
    }
    metrics_.console_bytes += bytes.size();
    observer_.on_console_output(domain, offset, bytes);
}

void ToolstackImpl::emit(EventKind kind, const LiveDomain& live, std::string detail, std::int32_t code) {
    observer_.on_event(
        {.kind = kind, .domain = live.id(), .name = live.name(), .detail = std::move(detail), .code = code});
}

}  // namespace split
