// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/devices.hpp"

#include <algorithm>
#include <utility>

#include "noxs/backends/xen_console.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using noxs::wire::DeviceEntry;
using noxs::wire::DeviceType;

constexpr DeviceType prepared_types[Devices::prepared_count] = {DeviceType::sysctl, DeviceType::console};

std::optional<Clock::time_point> earlier(std::optional<Clock::time_point> a, std::optional<Clock::time_point> b) {
    return a && b ? std::min(*a, *b) : (a ? a : b);
}

}  // namespace

std::string console_path(const std::string& console_dir, base::DomId id) {
    return words(console_dir, "/", id.value, ".log");
}

Result<void> check_devices(const VmConfig& config, hypervisor::GuestKind kind) {
    const bool foreign = kind != hypervisor::GuestKind::native;
    if (foreign && (!config.vifs.empty() || !config.vbds.empty())) {
        return base::fail(base::Code::unsupported, words("kernel '", config.kernel,
                                                         "' boots through Xen's own loader and gets a console only; "
                                                         "remove ",
                                                         config.vifs.empty()   ? "vbds"
                                                         : config.vbds.empty() ? "vifs"
                                                                               : "vifs and vbds"));
    }
    if (!config.vifs.empty()) {
        BASE_TRY(noxs::check_supported(DeviceType::vif));
    }
    if (!config.vbds.empty()) {
        BASE_TRY(noxs::check_supported(DeviceType::vbd));
    }
    return {};
}

Result<void> Devices::open_channels(hypervisor::Domain& domain) {
    entries_.reserve(prepared_count);
    const hypervisor::Layout& layout = domain.layout();
    if (layout.control_pages < prepared_count) {
        return base::fail(base::Code::internal,
                          words("a shell with ", layout.control_pages, " control pages, expected ", prepared_count));
    }
    // One for both: an event channel is the dearest part of a domain after its memory (docs/decisions/0005).
    BASE_ASSIGN(const auto port, domain.open_channel());
    for (std::uint32_t i = 0; i < prepared_count; ++i) {
        DeviceEntry entry{};
        entry.type = prepared_types[i];
        entry.backend = base::dom0.value;
        entry.control_ref = first_control_ref - i;
        entry.port = port.value;
        entry.control_gfn = layout.control_first.value + i;
        entries_.push_back(entry);
    }
    return {};
}

Result<void> Devices::write_pages(hypervisor::Domain& domain) {
    for (const DeviceEntry& entry : entries_) {
        BASE_TRY(domain.seed_grant(base::GrantRef{entry.control_ref}, base::dom0, base::Gfn{entry.control_gfn}));
        BASE_TRY(page_.add(entry));
    }
    return page_.publish(domain);
}

Result<void> Devices::make_backends(hypervisor::Domain& domain, const BackendSite& site) {
    backends_.reserve(entries_.size());
    for (const DeviceEntry& entry : entries_) {
        BASE_TRY(make_backend(domain, entry, site, VmConfig{}.console_log, noxs::Origin::fresh));
    }
    return {};
}

Result<void> Devices::open_console_channel(hypervisor::Domain& domain) {
    BASE_ASSIGN(const auto port, domain.open_channel());
    DeviceEntry entry{};
    entry.type = DeviceType::console;
    entry.backend = base::dom0.value;
    entry.control_ref = hypervisor::foreign_console_ref.value;
    entry.port = port.value;
    entries_.push_back(entry);
    return {};
}

Result<void> Devices::open_console(hypervisor::Domain& domain, const VmConfig& config, const BackendSite& site,
                                   noxs::Origin origin) {
    const auto entry = std::ranges::find(entries_, DeviceType::console, &DeviceEntry::type);
    if (entry == entries_.end()) {
        return {};
    }
    noxs::Console::Settings settings{.log_path = console_path(site.console_dir, domain.id()),
                                     .log_capacity = config.console_log};
    BASE_ASSIGN(auto console, noxs::XenConsole::open(domain, base::EvtchnPort{entry->port}, site.listener,
                                                     std::move(settings), origin));
    backends_.push_back(std::move(console));
    return {};
}

Result<void> Devices::make_backend(hypervisor::Domain& domain, const DeviceEntry& entry, const BackendSite& site,
                                   base::Bytes console_log, noxs::Origin origin) {
    BASE_ASSIGN(auto control, domain.map_pages(base::Gfn{entry.control_gfn}, 1));
    const bool console = entry.type == DeviceType::console;
    BASE_ASSIGN(auto backend,
                noxs::make_backend({.domain = domain,
                                    .entry = entry,
                                    .control = std::move(control),
                                    .listener = site.listener,
                                    .console_log = console ? console_path(site.console_dir, domain.id()) : "",
                                    .console_log_capacity = console_log},
                                   origin));
    backends_.push_back(std::move(backend));
    return {};
}

Result<void> Devices::drop_console(hypervisor::Domain& domain) {
    BASE_TRY(page_.remove(DeviceType::console, 0));
    std::erase_if(backends_, [](const auto& backend) { return backend->type() == DeviceType::console; });
    std::erase_if(entries_, [](const auto& entry) { return entry.type == DeviceType::console; });
    return page_.publish(domain);
}

Result<void> Devices::fit(hypervisor::Domain& domain, const VmConfig& config) {
    if (!config.console) {
        return drop_console(domain);
    }
    if (auto* backend = console()) {
        backend->set_log_capacity(config.console_log);
    }
    return {};
}

Result<Devices> Devices::adopt(hypervisor::Domain& domain, const Record& record, const BackendSite& site) {
    Devices devices;
    devices.entries_ = record.devices;
    if (record.kind != hypervisor::GuestKind::native) {
        BASE_TRY(devices.open_console(domain, record.config, site, noxs::Origin::adopted));
        return devices;
    }
    const hypervisor::Layout& layout = domain.layout();
    for (const DeviceEntry& entry : devices.entries_) {
        const std::uint64_t first = layout.control_first.value;
        if (entry.control_gfn < first || entry.control_gfn - first >= layout.control_pages) {
            return base::fail(base::Code::protocol_error, words("its record names control page ", entry.control_gfn,
                                                                ", it has ", layout.control_pages, " from ", first));
        }
        BASE_TRY(devices.make_backend(domain, entry, site, record.config.console_log, noxs::Origin::adopted));
    }
    return devices;
}

std::optional<Clock::time_point> Devices::on_event(base::EvtchnPort port, Clock::time_point now) {
    std::optional<Clock::time_point> next;
    for (const auto& backend : backends_) {
        if (backend->port() == port) {
            next = earlier(next, backend->on_event(now));
        }
    }
    return next;
}

std::optional<Clock::time_point> Devices::on_all(Clock::time_point now) {
    std::optional<Clock::time_point> next;
    for (const auto& backend : backends_) {
        next = earlier(next, backend->on_event(now));
    }
    return next;
}

template <class Concrete>
Concrete* Devices::find() const {
    for (const auto& backend : backends_) {
        if (auto* concrete = noxs::backend_as<Concrete>(backend.get())) {
            return concrete;
        }
    }
    return nullptr;
}

noxs::SysctlBackend* Devices::sysctl() const {
    return find<noxs::SysctlBackend>();
}
noxs::Console* Devices::console() const {
    return find<noxs::Console>();
}

}  // namespace split
