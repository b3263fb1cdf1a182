// SPDX-License-Identifier: Apache-2.0
// Devices that come and go while their guest runs (docs/noxs-protocol.md, Hot-plug).
#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>
#include <variant>

#include "base/log.hpp"
#include "noxs/disk.hpp"
#include "split-toolstack/names.hpp"
#include "split-toolstack/toolstack_impl.hpp"
#include "split-toolstack/words.hpp"

namespace split {

using base::Code;
using base::fail;
using noxs::wire::DeviceEntry;
using noxs::wire::DeviceType;

/// One device more, as far as it is known before the domain has it.
struct ToolstackImpl::Plug {
    DeviceType type;
    std::uint32_t id;
    std::variant<noxs::VifSettings, noxs::VbdSettings> settings;
    Record record;  ///< with it
};

namespace {

template <class Records>
std::uint32_t free_id(const Records& records) {
    for (std::uint32_t id = 0;; ++id) {
        if (std::ranges::none_of(records, [id](const auto& record) { return record.id == id; })) {
            return id;
        }
    }
}

/// The address of one vif is planned as a list of one.
base::Error without_index(base::Error error) {
    constexpr std::string_view prefix = "vifs[0]";
    if (error.message.starts_with(prefix)) {
        error.message.replace(0, prefix.size(), "vif");
    }
    return error;
}

/// Takes device `id` out of `records` and `configs`, which go side by side.
template <class Records, class Configs>
void drop(Records& records, Configs& configs, std::uint32_t id) {
    const auto found = std::ranges::find_if(records, [id](const auto& record) { return record.id == id; });
    if (found != records.end()) {
        configs.erase(configs.begin() + (found - records.begin()));
        records.erase(found);
    }
}

template <class Records>
void mark_leaving(Records& records, std::uint32_t id) {
    for (auto& record : records) {
        record.leaving = record.leaving || record.id == id;
    }
}

}  // namespace

Result<LiveDomain*> ToolstackImpl::changeable(base::DomId domain) {
    BASE_ASSIGN(LiveDomain* const live, living(domain));
    if (live->foreign()) {
        return fail(
            Code::unsupported,
            words("domain '", live->name(), "' is a kernel without noxs, whose devices are those that it booted with"));
    }
    return live;
}

Result<std::uint32_t> ToolstackImpl::attach(base::DomId domain, const VifConfig& config) {
    BASE_ASSIGN(LiveDomain* const live, changeable(domain));
    auto planned = networks_->plan({config});
    if (!planned) {
        return fail(without_index(std::move(planned).error()));
    }
    Plug what{DeviceType::vif, free_id(live->record.vifs), std::move(planned->front()), live->record};
    what.record.config.vifs.push_back(config);
    what.record.vifs.push_back({.id = what.id, .settings = std::get<noxs::VifSettings>(what.settings)});
    return plug(*live, std::move(what));
}

Result<std::uint32_t> ToolstackImpl::attach(base::DomId domain, const VbdConfig& config) {
    BASE_ASSIGN(LiveDomain* const live, changeable(domain));
    const auto& disks = live->record.config.vbds;
    if (!config.vdev.empty() && std::ranges::find(disks, config.vdev, &VbdConfig::vdev) != disks.end()) {
        return fail(Code::name_in_use, words("vbd: domain '", live->name(), "' has a disk '", config.vdev, "'"));
    }
    auto disk =
        noxs::open_disk(config.target, config.read_only() ? noxs::DiskAccess::read_only : noxs::DiskAccess::read_write);
    if (!disk) {
        return fail(std::move(disk).error().in("vbd"));
    }
    Plug what{DeviceType::vbd, free_id(live->record.vbds), *std::move(disk), live->record};
    what.record.config.vbds.push_back(config);
    if (config.vdev.empty()) {
        what.record.config.vbds.back().vdev = free_vdev(disks);
    }
    what.record.vbds.push_back({.id = what.id});
    return plug(*live, std::move(what));
}

/// Its entry, on a control page that says all about it; no guest looks there yet.
Result<DeviceEntry> ToolstackImpl::describe_new(LiveDomain& live, const Plug& what) {
    if (live.record.vifs.size() + live.record.vbds.size() >= max_data_devices) {  // with more it could not be restarted
        return fail(Code::limit_reached, words("domain '", live.name(), "': a guest can have ", max_data_devices,
                                               " vifs and vbds together; detach one"));
    }
    auto entry = live.devices.free_entry(live.domain->layout(), what.type, what.id, {});
    if (!entry) {
        return fail(std::move(entry).error().in(words("domain '", live.name(), "'")));
    }
    if (!live.data.served && !live.devices.lane()) {
        BASE_TRY(live.devices.open_lane(*live.domain, live.record.lane));
    }
    entry->port = live.data.served ? live.record.lane->value : live.devices.lane()->port().value;
    BASE_ASSIGN(const auto control, live.domain->map_pages(base::Gfn{entry->control_gfn}, 1));
    std::memset(control.data(), 0, base::page_size);
    std::visit([&](const auto& settings) { noxs::describe(control.data(), *entry, settings); }, what.settings);
    return entry;
}

/// On disk before the guest can see it.
Result<std::uint32_t> ToolstackImpl::plug(LiveDomain& live, Plug what) {
    BASE_ASSIGN(const DeviceEntry entry, describe_new(live, what));
    const noxs::DeviceName device{live.id(), what.type, what.id};
    what.record.lane = base::EvtchnPort{entry.port};
    what.record.devices.push_back(entry);
    page_changes(what.record, live);
    BASE_TRY(registry_.save(what.record));
    live.record = std::move(what.record);
    if (!live.data.served) {
        plane_->add_domain(std::move(live.devices.lane()));
        live.data.served = true;
    }
    if (const auto* vif = std::get_if<noxs::VifSettings>(&what.settings)) {
        networks_->take(live.id(), what.id, {*vif});
    }
    plane_->add(
        {.domain = live.id(), .entry = entry, .settings = std::move(what.settings), .origin = noxs::Origin::fresh});
    auto told = live.devices.plug(*live.domain, entry);
    if (!told) {
        take_away(live, device);
        return fail(std::move(told).error());
    }
    page_changed(live);
    ++metrics_.attached;
    emit(EventKind::attached, live, device, {}, false);
    return what.id;
}

void ToolstackImpl::page_changes(Record& record, const LiveDomain& live) const {
    record.generation = (live.devices.generation() | 1) + 1;
    record.settled = false;
}

void ToolstackImpl::page_changed(LiveDomain& live) {
    live.record.generation = live.devices.generation();
    live.record.settled = true;
    measured(live, Clock::now());
}

Result<noxs::DeviceName> ToolstackImpl::chosen(const LiveDomain& live, const DeviceChoice& device) const {
    const Record& record = live.record;
    std::optional<std::uint32_t> id;
    std::uint32_t number = 0;
    const char* end = device.which.data() + device.which.size();
    if (is_number(device.which) && std::from_chars(device.which.data(), end, number).ptr == end) {
        id = number;
    }
    const auto mac = noxs::parse_mac(device.which);
    for (const VifRecord& vif : record.vifs) {
        if (device.type == DeviceType::vif && (id == vif.id || (mac && *mac == vif.settings.mac))) {
            return noxs::DeviceName{live.id(), device.type, vif.id};
        }
    }
    for (std::size_t i = 0; i < record.vbds.size(); ++i) {
        if (device.type == DeviceType::vbd && (id == record.vbds[i].id || device.which == record.config.vbds[i].vdev)) {
            return noxs::DeviceName{live.id(), device.type, record.vbds[i].id};
        }
    }
    return fail(Code::not_found, words("domain '", live.name(), "' has no ", noxs::type_name(device.type), " '",
                                       device.which, "'; chaos info ", live.name(), " shows its devices"));
}

Result<std::uint32_t> ToolstackImpl::detach(base::DomId domain, const DeviceChoice& device,
                                            std::chrono::milliseconds timeout) {
    BASE_ASSIGN(LiveDomain* const live, changeable(domain));
    BASE_ASSIGN(const noxs::DeviceName name, chosen(*live, device));
    const bool missing = name.type == DeviceType::vbd &&
                         std::ranges::any_of(live->data.missing, [&](const auto& disk) { return disk.id == name.id; });
    if (missing) {
        finish_detach(*live, name, false);
        return name.id;
    }
    Record leaving = live->record;
    name.type == DeviceType::vif ? mark_leaving(leaving.vifs, name.id) : mark_leaving(leaving.vbds, name.id);
    BASE_TRY(registry_.save(leaving));
    live->record = std::move(leaving);
    const auto now = Clock::now();
    detach_by(*live, name, now + timeout);
    if (timeout.count() == 0) {
        force_detaches(*live, now);
    } else {
        plane_->close(name);
    }
    return name.id;
}

void ToolstackImpl::detach_by(LiveDomain& live, const noxs::DeviceName& device, Clock::time_point until) {
    std::erase_if(live.data.leaving,
                  [&](const auto& other) { return other.type == device.type && other.id == device.id; });
    live.data.leaving.push_back({device.type, device.id, until});
    timers_.arm(until, live.id());
}

/// It keeps its place in the device page until the disk, too, has done with the guest's pages: then `on_closed` comes.
void ToolstackImpl::force_detaches(LiveDomain& live, Clock::time_point now) {
    for (auto& device : live.data.leaving) {
        if (!device.forced && device.until <= now) {
            device.forced = true;
            plane_->cut({live.id(), device.type, device.id});
        }
    }
}

void ToolstackImpl::finish_detach(LiveDomain& live, const noxs::DeviceName& device, bool forced) {
    take_away(live, device);
    ++metrics_.detached;
    metrics_.detached_by_force += forced ? 1 : 0;
    emit(EventKind::detached, live, device, forced ? "forced: the guest did not let go of it" : "", forced);
}

void ToolstackImpl::take_away(LiveDomain& live, const noxs::DeviceName& device) {
    const auto same = [&](const auto& other) { return other.type == device.type && other.id == device.id; };
    plane_->remove(device);
    std::erase_if(live.data.leaving, same);
    Record& record = live.record;
    std::erase_if(record.devices, same);
    if (device.type == DeviceType::vif) {
        drop(record.vifs, record.config.vifs, device.id);
        networks_->give_back(live.id(), device.id);
    } else {
        drop(record.vbds, record.config.vbds, device.id);
        std::erase_if(live.data.missing, [&](const auto& disk) { return disk.id == device.id; });
    }
    page_changes(record, live);
    if (const auto saved = registry_.save(record); !saved) {
        base::log(base::Level::warn, saved.error().message);  // a later daemon goes on with the detach
    }
    if (const auto told = live.devices.unplug(*live.domain, device.type, device.id); !told) {
        base::log(base::Level::warn, words("domain '", live.name(), "': ", told.error().message));
    }
    page_changed(live);
}

void ToolstackImpl::on_stopped(const noxs::DeviceName& device, const std::string& why) {
    stopped_.emplace_back(device, why);
}

void ToolstackImpl::on_closed(const noxs::DeviceName& device) {
    closed_.push_back(device);
}

void ToolstackImpl::poll_plane() {
    networks_->poll();
    plane_->poll(*this);
    for (const auto& [device, why] : std::exchange(stopped_, {})) {
        ++metrics_.devices_stopped;
        if (const LiveDomain* live = domains_.find(device.domain)) {
            emit(EventKind::device_stopped, *live, device, why, false);
        }
    }
    for (const auto& device : std::exchange(closed_, {})) {
        LiveDomain* live = domains_.find(device.domain);
        if (live == nullptr) {
            continue;
        }
        const auto ours = [&](const auto& other) { return other.type == device.type && other.id == device.id; };
        const auto leaving = std::ranges::find_if(live->data.leaving, ours);
        if (leaving != live->data.leaving.end()) {
            finish_detach(*live, device, leaving->forced);
        }
    }
}

void ToolstackImpl::emit(EventKind kind, const LiveDomain& live, const noxs::DeviceName& device, std::string_view how,
                         bool forced) {
    observer_.on_event({.kind = kind,
                        .domain = live.id(),
                        .name = live.name(),
                        .detail = words(device_text(device.type, device.id), how.empty() ? "" : ": ", how),
                        .device = device.type,
                        .device_id = device.id,
                        .forced = forced});
}

}  // namespace split
