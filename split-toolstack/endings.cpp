// SPDX-License-Identifier: Apache-2.0
// How a domain leaves: by itself, by force, or to make room for its successor.
#include <unistd.h>

#include <utility>

#include "base/log.hpp"
#include "split-toolstack/prepare.hpp"
#include "split-toolstack/toolstack_impl.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

/// Whether not the guest was killed but the shell that it was made from, a moment before: the driver tells of a death
/// only later, and the guest has not done anything yet.
bool was_dead_shell(const LiveDomain& live, const Ending& ending, Clock::time_point now) {
    constexpr auto moment = std::chrono::seconds(1);
    return live.record.from_pool && !live.adopted && live.death.kind == hypervisor::DeathKind::killed && !live.ready &&
           !live.has_output && live.asked == Asked::nothing && ending.kind == EndKind::crash &&
           now - live.begin < moment;
}

/// Without the devices that were about to go.
VmConfig config_of_successor(const LiveDomain& live) {
    VmConfig config = live.record.config;
    config.vifs.clear();
    config.vbds.clear();
    for (std::size_t i = 0; i < live.record.vifs.size(); ++i) {
        if (!live.record.vifs[i].leaving) {
            config.vifs.push_back(live.record.config.vifs[i]);
        }
    }
    for (std::size_t i = 0; i < live.record.vbds.size(); ++i) {
        if (!live.record.vbds[i].leaving) {
            config.vbds.push_back(live.record.config.vbds[i]);
        }
    }
    return config;
}

EventKind event_of(const Ending& ending) {
    return ending.state == State::crashed ? EventKind::crashed : EventKind::shutdown;
}

}  // namespace

void ToolstackImpl::finish_death(base::DomId domain, const hypervisor::Death& death) {
    LiveDomain* live = domains_.find(domain);
    if (live == nullptr || live->life == Life::ended) {
        return;
    }
    live->death = death;
    stop_serving(*live);
    // The guest may have said things that nobody has looked at yet: ready, its reason, the last of its console.
    live->devices.on_all(Clock::now());
    if (auto* console = live->devices.console()) {
        console->finish();
    }
    const auto* sysctl = live->devices.sysctl();
    auto ending = judge(death, sysctl != nullptr ? sysctl->final_state() : noxs::FinalState{});
    if (was_dead_shell(*live, ending, Clock::now())) {
        relaunch(*live, std::move(ending));
        return;
    }
    if (ending.state == State::crashed) {
        report(*live, ending);
    }
    const auto action = action_for(live->record.config, ending.kind);
    conclude(*live, std::move(ending), action);
}

void ToolstackImpl::report(LiveDomain& live, Ending& ending) {
    const auto verdict = reports_.count(Clock::now());
    if (verdict == ReportLimit::Verdict::first_unreported) {
        base::log(base::Level::info, words("more than ", ReportLimit::most, " crashes a second are not looked into"));
    }
    if (verdict != ReportLimit::Verdict::report) {
        return;
    }
    const auto& registers = live.death.registers;
    // Without memory on the host nobody should read more of it in.
    if (registers && !live.foreign() && live.death.kind != hypervisor::DeathKind::out_of_memory) {
        ending.crash = report_crash(*live.domain, *registers, live.record.config.kernel);
        ending.text = with_function(std::move(ending.text), live.death.ip, ending.crash.function);
    }
    const auto log = [who = words("domain ", live.id().value, " '", live.name(), "': ")](std::string_view text) {
        base::log(base::Level::info, words(who, text));
    };
    log(ending.text);
    if (registers) {
        log(registers_text(*registers));
    }
    if (const auto text = callers_text(ending.crash); !text.empty()) {
        log(text);
    }
}

void ToolstackImpl::force(LiveDomain& live) {
    const auto* sysctl = live.devices.sysctl();
    const auto words_of_guest = sysctl != nullptr ? sysctl->final_state() : noxs::FinalState{};
    live.death = {.kind = hypervisor::DeathKind::destroyed};
    Ending ending;
    if (words_of_guest.reason != noxs::wire::ShutdownReason::none) {
        ending = judge({.kind = hypervisor::DeathKind::exited}, words_of_guest);
    } else if (live.asked == Asked::reboot) {
        ending.kind = EndKind::reboot;
    }
    append(ending.text, words(ending.text.empty() ? "" : ", ", "did not end within ", settings_.shutdown_grace.count(),
                              " ms: ended by force"));
    auto action = action_for(live.record.config, ending.kind);
    if (action == EndAction::preserve) {
        action = EndAction::destroy;  // it still runs: there is no ended domain to look at
    }
    conclude(live, std::move(ending), action);
}

void ToolstackImpl::conclude(LiveDomain& live, Ending ending, EndAction action) {
    ++metrics_.died;
    live.force_at.reset();
    const bool again = action == EndAction::restart && live.asked != Asked::power_off;
    if (again && !live.restarts.allow(Clock::now())) {
        append(ending.text, words("; not restarted: it ended more than ", RestartLimit::most, " times in ",
                                  RestartLimit::window.count(), " s"));
        action = live.death.kind == hypervisor::DeathKind::destroyed ? EndAction::destroy : EndAction::preserve;
    }
    if (again && action == EndAction::restart) {
        restart(live, std::move(ending));
    } else if (action == EndAction::preserve) {
        preserve(live, std::move(ending));
    } else {
        emit(event_of(ending), live, ending.text, ending.code);
        forget(live, std::move(ending));
    }
}

void ToolstackImpl::preserve(LiveDomain& live, Ending ending) {
    live.life = Life::ended;
    live.ending = std::move(ending);
    emit(event_of(live.ending), live, live.ending.text, live.ending.code);
}

bool ToolstackImpl::forget(LiveDomain& live, Ending ending) {
    const base::DomId id = live.id();
    std::string name = live.name();
    if (const auto removed = remove(live); !removed) {
        base::log(base::Level::warn, removed.error().message);
        live.life = Life::ended;
        live.ending = std::move(ending);
        return false;
    }
    observer_.on_event({EventKind::destroyed, id, std::move(name), {}, 0});
    return true;
}

void ToolstackImpl::restart(LiveDomain& live, Ending ending) {
    const VmConfig config = config_of_successor(live);
    if (ending.kind != EndKind::reboot) {
        emit(event_of(ending), live, ending.text, ending.code);
    }
    succeed(
        live, std::move(ending),
        {.config = config, .begin = Clock::now(), .parse_ns = 0, .wanted = Wanted::running, .restarts = live.restarts});
}

/// Without the pool: its other shells may be as dead.
void ToolstackImpl::relaunch(LiveDomain& live, Ending ending) {
    const VmConfig config = config_of_successor(live);
    base::log(base::Level::info, words("domain ", live.id().value, " '", live.name(),
                                       "' was made from a dead shell and is made anew: ", ending.text));
    succeed(live, std::move(ending),
            {.config = config,
             .begin = live.begin,
             .parse_ns = live.record.timing[static_cast<std::size_t>(Phase::parse)],
             .wanted = live.record.wanted,
             .restarts = live.restarts,
             .shells = Shells::fresh});
}

/// Whether the guest is only restarted later. It stays listed as ended until then, and on record.
bool ToolstackImpl::postpone(LiveDomain& live, const Ending& ending, const Launch& order) {
    stop_serving(live);
    const auto disks = open_disks(order.config.vbds);
    const auto now = Clock::now();
    if (disks || disks.error().code != base::Code::bad_state || (live.postponed && now >= live.postponed->until)) {
        return false;  // what else is wrong with them the launch will tell
    }
    if (!live.postponed) {
        live.postponed = std::make_unique<Postponed>(Postponed{.ending = ending,
                                                               .until = now + disk_patience,
                                                               .begin = order.begin,
                                                               .parse_ns = order.parse_ns,
                                                               .wanted = order.wanted,
                                                               .fresh = order.shells == Shells::fresh});
        if (live.death.kind == hypervisor::DeathKind::destroyed) {
            static_cast<void>(live.domain->pause());  // it is ended by force, and nobody serves it
        }
    }
    live.life = Life::ended;
    live.ending = ending;
    timers_.arm(now + disk_retry, live.id());
    return true;
}

void ToolstackImpl::succeed_at_last(LiveDomain& live) {
    const VmConfig config = config_of_successor(live);
    const Postponed& waits = *live.postponed;
    succeed(live, Ending(waits.ending),
            {.config = config,
             .begin = waits.begin,
             .parse_ns = waits.parse_ns,
             .wanted = waits.wanted,
             .restarts = live.restarts,
             .shells = waits.fresh ? Shells::fresh : Shells::pooled});
}

void ToolstackImpl::succeed(LiveDomain& live, Ending ending, Launch order) {
    if (postpone(live, ending, order)) {
        return;
    }
    const base::DomId old = live.id();
    const std::string how = ending.text;
    Heritage heritage{.from = old, .vifs = {}};
    for (const VifRecord& vif : live.record.vifs) {
        if (vif.leaving) {
            networks_->give_back(old, vif.id);
        } else {
            heritage.vifs.push_back(vif);
        }
    }
    order.heritage = &heritage;
    live.data.bequeathed = true;
    live.postponed.reset();
    if (!forget(live, std::move(ending))) {
        live.data.bequeathed = false;
        return;
    }
    if (const auto id = launch(order)) {
        observer_.on_event({EventKind::rebooted, old, order.config.name, words(id->value), 0});
    } else {
        networks_->give_back(old);
        ++metrics_.failed;
        observer_.on_event(
            {EventKind::crashed, old, order.config.name, words(how, "; restart failed: ", id.error().message), 0});
    }
}

void ToolstackImpl::keep_console(LiveDomain& live) {
    auto* console = live.devices.console();
    if (console == nullptr) {
        return;
    }
    throttled_gone_ += console->throttled();
    ConsoleText text;
    if (live.has_output) {
        auto log = console->log_text();
        text = {.offset = log.offset, .bytes = std::move(log.bytes)};
        ::unlink(console_path(console_dir_, live.id()).c_str());
    }
    kept_.keep(live.id(), std::move(text));
}

Result<void> ToolstackImpl::remove(LiveDomain& live) {
    // Off the disk first: should the daemon end here, the next one destroys a domain that has no record.
    BASE_TRY(registry_.remove(live.id()));
    stop_serving(live);
    // One that is being loaded goes when its loader is done with it.
    if (auto destroyed = live.domain ? live.domain->destroy() : Result<void>(); !destroyed) {
        if (const auto saved = registry_.save(live.record); !saved) {
            base::log(base::Level::warn, saved.error().message);
        }
        return base::fail(std::move(destroyed).error().in(words("domain ", live.id().value)));
    }
    give_back_addresses(live);
    keep_console(live);
    domains_.erase(live.id());
    pool_->set_domains(static_cast<unsigned>(domains_.size()));
    ++metrics_.destroyed;
    return {};
}

}  // namespace split
