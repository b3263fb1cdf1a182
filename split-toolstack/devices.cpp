// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/devices.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "noxs/backends/xen_console.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using noxs::wire::DeviceEntry;
using noxs::wire::DeviceType;

std::optional<Clock::time_point> earlier(std::optional<Clock::time_point> a, std::optional<Clock::time_point> b) {
    return a && b ? std::min(*a, *b) : (a ? a : b);
}

/// The device that a shell of `shape` has on control page `page`.
std::pair<DeviceType, std::uint32_t> prepared_device(const Shape& shape, unsigned page) {
    if (page < basic_devices) {
        return {page == 0 ? DeviceType::sysctl : DeviceType::console, 0};
    }
    const unsigned data = page - basic_devices;
    return data < shape.vifs ? std::pair{DeviceType::vif, data} : std::pair{DeviceType::vbd, data - shape.vifs};
}

DeviceEntry entry_on_page(const hypervisor::Layout& layout, unsigned page) {
    DeviceEntry entry{};
    entry.backend = base::dom0.value;
    entry.control_ref = Devices::first_control_ref - page;
    entry.control_gfn = layout.control_first.value + page;
    return entry;
}

}  // namespace

std::string device_text(DeviceType type, std::uint32_t id) {
    return words(noxs::type_name(type), " ", id);
}

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
    if (const std::size_t data = config.vifs.size() + config.vbds.size(); data > max_data_devices) {
        return base::fail(base::Code::limit_reached,
                          words(data, " vifs and vbds: a guest can have ", max_data_devices, " of them together"));
    }
    return {};
}

Result<void> Devices::open_channels(hypervisor::Domain& domain, const Shape& shape) {
    const unsigned count = basic_devices + shape.vifs + shape.vbds;
    const hypervisor::Layout& layout = domain.layout();
    if (layout.control_pages < count) {
        return base::fail(base::Code::internal,
                          words("a shell with ", layout.control_pages, " control pages, expected ", count));
    }
    // One for both: an event channel is the dearest part of a domain after its memory (docs/decisions/0005).
    BASE_ASSIGN(const auto port, domain.open_channel());
    base::EvtchnPort data_port;
    if (count > basic_devices) {
        BASE_ASSIGN(data_port, open_lane(domain, std::nullopt));
    }
    entries_.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
        DeviceEntry entry = entry_on_page(layout, i);
        std::tie(entry.type, entry.id) = prepared_device(shape, i);
        entry.port = is_data(entry.type) ? data_port.value : port.value;
        entries_.push_back(entry);
    }
    return {};
}

Result<void> Devices::write_pages(hypervisor::Domain& domain) {
    page_.emplace();
    for (const DeviceEntry& entry : entries_) {
        BASE_TRY(page_->add(entry));
    }
    // The spare ones too: once the guest runs the grant table is its own.
    for (unsigned i = 0; i < domain.layout().control_pages; ++i) {
        const DeviceEntry entry = entry_on_page(domain.layout(), i);
        BASE_TRY(domain.seed_grant(base::GrantRef{entry.control_ref}, base::dom0, base::Gfn{entry.control_gfn}));
    }
    return page_->publish(domain);
}

Result<void> Devices::make_backends(hypervisor::Domain& domain, const BackendSite& site) {
    backends_.reserve(basic_devices);
    for (std::size_t i = 0; i < basic_devices; ++i) {
        BASE_TRY(make_backend(domain, entries_[i], site, VmConfig{}.console_log, noxs::Origin::fresh));
    }
    if (entries_.size() > basic_devices) {
        data_first_ = entries_[basic_devices].control_gfn;
        BASE_ASSIGN(data_pages_, domain.map_pages(base::Gfn{data_first_}, entries_.size() - basic_devices));
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
    BASE_TRY(page().remove(DeviceType::console, 0));
    std::erase_if(backends_, [](const auto& backend) { return backend->type() == DeviceType::console; });
    std::erase_if(entries_, [](const auto& entry) { return entry.type == DeviceType::console; });
    return page().publish(domain);
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
    devices.generation_ = record.generation;
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
        if (!is_data(entry.type)) {
            BASE_TRY(devices.make_backend(domain, entry, site, record.config.console_log, noxs::Origin::adopted));
        }
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
