// SPDX-License-Identifier: Apache-2.0
// What is told of domains.
#include <algorithm>
#include <charconv>
#include <utility>

#include "split-toolstack/names.hpp"
#include "split-toolstack/toolstack_impl.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using base::Code;
using base::fail;

State state_of(const LiveDomain& live, const hypervisor::DomainInfo& info) {
    if (live.life == Life::ended) {
        return live.ending.state;
    }
    if (live.paused()) {
        return State::paused;
    }
    return info.blocked ? State::blocked : State::running;
}

std::vector<DeviceView> configured_devices(const Record& record) {
    std::vector<DeviceView> all;
    for (const VifRecord& vif : record.vifs) {
        DeviceView& view = all.emplace_back();
        view.type = noxs::wire::DeviceType::vif;
        view.id = vif.id;
        view.vif = vif.settings;
        view.leaving = vif.leaving;
    }
    for (std::size_t i = 0; i < record.vbds.size(); ++i) {
        DeviceView& view = all.emplace_back();
        view.type = noxs::wire::DeviceType::vbd;
        view.id = record.vbds[i].id;
        view.vbd = record.config.vbds[i];
        view.leaving = record.vbds[i].leaving;
    }
    return all;
}

/// What the driver says, or nothing of it where it can't: a list must not fail for one domain.
hypervisor::DomainInfo info_of(const LiveDomain& live) {
    if (live.life == Life::ended || live.life == Life::loading) {
        return {};
    }
    return live.domain->info(hypervisor::Detail::state).value_or(hypervisor::DomainInfo{});
}

}  // namespace

Result<base::DomId> ToolstackImpl::find(std::string_view name) const {
    if (const LiveDomain* live = domains_.find(name)) {
        return live->id();
    }
    std::uint16_t id = 0;
    if (is_number(name) && std::from_chars(name.begin(), name.end(), id).ec == std::errc{} &&
        domains_.find(base::DomId{id}) != nullptr) {
        return base::DomId{id};
    }
    return fail(Code::no_such_domain,
                is_number(name) ? words("no domain has the id ", name) : words("no domain is named '", name, "'"));
}

DomainView ToolstackImpl::view_of(const LiveDomain& live, const hypervisor::DomainInfo& info) const {
    DomainView view;
    view.id = live.id();
    view.name = live.name();
    view.state = state_of(live, info);
    view.kind = live.record.kind;
    view.ready = live.ready;
    view.paused = live.paused() && live.life != Life::ended;
    view.memory = live.record.config.memory;
    view.vcpus = live.record.config.vcpus;
    view.kernel = live.record.config.kernel;
    view.created_unix_ms = live.record.created_unix_ms;
    view.timing = live.record.timing;
    view.total_ns = live.record.total_ns;
    view.ready_ns = live.record.ready_ns;
    view.from_pool = live.record.from_pool;
    if (live.life == Life::ended) {
        view.death = live.death;
        view.ended = live.ending.text;
        view.crash = live.ending.crash;
    }
    return view;
}

Result<DomainView> ToolstackImpl::view(base::DomId domain) const {
    const LiveDomain* live = domains_.find(domain);
    if (live == nullptr) {
        return no_such_domain(domain);
    }
    return view_of(*live, info_of(*live));
}

bool ToolstackImpl::is_ready(base::DomId domain) const {
    const LiveDomain* live = domains_.find(domain);
    return live != nullptr && live->ready;
}

bool ToolstackImpl::is_created(base::DomId domain) const {
    const LiveDomain* live = domains_.find(domain);
    return live != nullptr && live->life != Life::loading;
}

std::vector<DomainView> ToolstackImpl::list() const {
    std::vector<DomainView> all;
    all.reserve(domains_.size());
    domains_.for_each([&](const LiveDomain& live) { all.push_back(view_of(live, info_of(live))); });
    return all;
}

Result<DomainDetails> ToolstackImpl::details(base::DomId domain) const {
    const LiveDomain* live = domains_.find(domain);
    if (live == nullptr) {
        return no_such_domain(domain);
    }
    DomainDetails details;
    if (live->life != Life::loading) {
        BASE_ASSIGN(details.host, live->domain->info(hypervisor::Detail::full));
    }
    details.view = view_of(*live, details.host);
    details.config = live->record.config;
    return details;
}

Result<std::vector<DeviceView>> ToolstackImpl::devices(base::DomId domain) const {
    const LiveDomain* live = domains_.find(domain);
    if (live == nullptr) {
        return no_such_domain(domain);
    }
    auto all = configured_devices(live->record);
    const auto served = live->data.served ? plane_->status(domain) : std::vector<noxs::DeviceStatus>{};
    for (DeviceView& view : all) {
        const auto status = std::ranges::find_if(served, [&view](const noxs::DeviceStatus& one) {
            return one.entry.type == view.type && one.entry.id == view.id;
        });
        if (status != served.end()) {
            view.backend = status->backend;
            view.frontend = status->frontend;
            view.stopped = status->stopped;
            view.counters = status->counters;
        }
    }
    for (const auto& disk : live->data.missing) {
        const auto view = std::ranges::find_if(all, [&disk](const DeviceView& one) {
            return one.type == noxs::wire::DeviceType::vbd && one.id == disk.id;
        });
        if (view != all.end()) {
            (disk.given_up ? view->stopped : view->waits) = disk.why;
        }
    }
    return all;
}

Result<Toolstack::ConsoleText> ToolstackImpl::console_log(base::DomId domain) const {
    const LiveDomain* live = domains_.find(domain);
    if (live != nullptr) {
        const auto* console = live->devices.console();
        if (console == nullptr && live->life != Life::loading) {
            return fail(Code::unsupported, words("domain '", live->name(), "' has no console"));
        }
        if (!live->has_output) {
            return ConsoleText{};
        }
        auto log = console->log_text();
        return ConsoleText{.offset = log.offset, .bytes = std::move(log.bytes)};
    }
    if (const ConsoleText* text = kept_.find(domain)) {
        return *text;
    }
    return no_such_domain(domain);
}

std::vector<FlavourStatus> ToolstackImpl::pool_status() const {
    return pool_->status();
}

const ToolstackMetrics& ToolstackImpl::metrics() const {
    metrics_.domains = domains_.size();
    metrics_.console_throttled = throttled_gone_;
    metrics_.vifs = metrics_.vbds = 0;
    domains_.for_each([this](const LiveDomain& live) {
        metrics_.vifs += live.record.vifs.size();
        metrics_.vbds += live.record.vbds.size();
        if (const auto* console = live.devices.console()) {
            metrics_.console_throttled += console->throttled();
        }
    });
    return metrics_;
}

}  // namespace split
