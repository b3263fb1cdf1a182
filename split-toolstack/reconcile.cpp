// SPDX-License-Identifier: Apache-2.0
// After a restart of the daemon: what the registry says against what the driver has.
#include <unistd.h>

#include <charconv>
#include <unordered_map>
#include <utility>

#include "base/log.hpp"
#include "noxs/console_log.hpp"
#include "split-toolstack/names.hpp"
#include "split-toolstack/prepare.hpp"
#include "split-toolstack/state_dir.hpp"
#include "split-toolstack/toolstack_impl.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using HvPhase = hypervisor::Phase;

void warn(const base::Error& error) {
    base::log(base::Level::warn, error.message);
}

}  // namespace

Result<void> ToolstackImpl::reconcile() {
    std::unordered_map<std::uint16_t, Record> records;
    BASE_ASSIGN(auto found, registry_.load());
    for (auto& record : found) {
        records.insert_or_assign(record.id.value, std::move(record));
    }
    BASE_ASSIGN(auto theirs, hypervisor_->adopt());
    for (auto& domain : theirs) {
        auto record = records.extract(domain->id().value);
        const auto info = domain->info(hypervisor::Detail::state);
        // Without a record it is a shell of the earlier daemon, or a domain whose removal was cut off. With one, a
        // shell is a launch that was cut off before the image was in.
        if (record.empty() || !info || info->phase == HvPhase::shell) {
            metrics_.undone += record.empty() ? 0 : 1;
            undo(*domain);
        } else {
            adopt(std::move(domain), std::move(record.mapped()), *info);
        }
    }
    for (const auto& [id, record] : records) {
        report_lost(record);
    }
    remove_stray_forwards();
    return remove_stray_logs();
}

void ToolstackImpl::undo(hypervisor::Domain& domain) {
    if (const auto removed = registry_.remove(domain.id()); !removed) {
        warn(removed.error());
    }
    destroy_quietly(domain);
}

void ToolstackImpl::adopt(std::unique_ptr<hypervisor::Domain> domain, Record record,
                          const hypervisor::DomainInfo& info) {
    auto devices = Devices::adopt(*domain, record, site());
    if (!devices) {
        base::log(base::Level::warn, words("domain '", record.config.name,
                                           "' could not be adopted and is destroyed: ", devices.error().message));
        undo(*domain);
        report_lost(record);
        return;
    }
    auto fresh = std::make_unique<LiveDomain>();
    fresh->record = std::move(record);
    fresh->record.config.name = domains_.free_name(fresh->name(), fresh->record.id);
    fresh->domain = std::move(domain);
    fresh->devices = *std::move(devices);
    fresh->life = info.phase == HvPhase::loaded ? Life::loaded : Life::started;
    fresh->adopted = true;
    fresh->has_output = true;
    const auto* sysctl = fresh->devices.sysctl();
    fresh->ready = fresh->foreign() ? fresh->life == Life::started : sysctl != nullptr && sysctl->ready();
    LiveDomain& live = domains_.insert(std::move(fresh));
    take_recorded_addresses(live);
    ++metrics_.adopted;
    emit(EventKind::adopted, live);
    if (live.ready && live.record.ready_ns == 0) {
        emit(EventKind::ready, live);  // the earlier daemon may not have got to tell it
    }
    if (info.phase == HvPhase::dead) {
        deaths_.emplace_back(live.id(), info.death);
        return;
    }
    serve_adopted(live);
    if (const auto resumed = resume(live, info); !resumed) {
        warn(resumed.error());
    }
    look_again(live.id(), live.devices.on_all(Clock::now()));
}

Result<void> ToolstackImpl::resume(LiveDomain& live, const hypervisor::DomainInfo& info) {
    if (live.life == Life::loaded) {
        if (live.paused() || info.paused) {
            live.record.wanted = Wanted::paused;
            return {};
        }
        live.started = Clock::now();
        BASE_TRY(live.domain->start(hypervisor::Caller::goes_on));
        live.life = Life::started;
        told_to_run(live);
        return {};
    }
    if (live.paused() == info.paused) {
        return {};
    }
    return live.paused() ? live.domain->pause() : live.domain->unpause();
}

void ToolstackImpl::report_lost(const Record& record) {
    const std::string path = console_path(console_dir_, record.id);
    if (record.config.console && ::access(path.c_str(), R_OK) == 0) {
        auto log = noxs::ConsoleLog(path, record.config.console_log).read();
        kept_.keep(record.id, {.offset = log.offset, .bytes = std::move(log.bytes)});
    }
    if (const auto removed = registry_.remove(record.id); !removed) {
        warn(removed.error());
    }
    observer_.on_event({EventKind::lost, record.id, record.config.name, "it ended with its hypervisor", 0});
}

/// Ports that are published for domains that are no more.
void ToolstackImpl::remove_stray_forwards() {
    for (const auto& network : networks_->list()) {
        for (const Forward& forward : network.forwards) {
            if (domains_.find(forward.domain) == nullptr) {
                networks_->give_back(forward.domain);
            }
        }
    }
}

Result<void> ToolstackImpl::remove_stray_logs() {
    BASE_ASSIGN(const auto names, list_dir(console_dir_));
    for (const auto& name : names) {
        std::uint16_t id = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), id);
        const bool ours = parsed.ec == std::errc{} && std::string_view(parsed.ptr) == ".log";
        if (ours && domains_.find(base::DomId{id}) == nullptr) {
            ::unlink(words(console_dir_, "/", name).c_str());
        }
    }
    return {};
}

}  // namespace split
