// SPDX-License-Identifier: Apache-2.0
// Network and disks of domains: between configuration, record, networks and the data plane.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "noxs/disk.hpp"
#include "noxs/shared.hpp"
#include "noxs/wire/control_page.hpp"
#include "split-toolstack/names.hpp"
#include "split-toolstack/toolstack_impl.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using noxs::wire::DeviceType;

Result<noxs::VbdSettings> open_disk(const VbdConfig& disk) {
    return noxs::open_disk(disk.target, disk.read_only() ? noxs::DiskAccess::read_only : noxs::DiskAccess::read_write);
}

/// Repeated names are told before anything is opened: a disk given twice would only be "in use".
Result<void> check_disks(const std::vector<VbdConfig>& disks) {
    for (std::size_t i = 0; i < disks.size(); ++i) {
        const auto& vdev = disks[i].vdev;
        const auto first = std::ranges::find(disks, vdev, &VbdConfig::vdev);
        if (const auto at = static_cast<std::size_t>(first - disks.begin()); !vdev.empty() && at != i) {
            return base::fail(base::Code::invalid_config,
                              words("vbds[", i, "]: vdev '", vdev, "' is that of vbds[", at, "] too"));
        }
    }
    return {};
}

}  // namespace

Result<std::vector<noxs::VbdSettings>> ToolstackImpl::open_disks(const std::vector<VbdConfig>& disks) const {
    std::vector<noxs::VbdSettings> opened;
    opened.reserve(disks.size());
    for (std::size_t i = 0; i < disks.size(); ++i) {
        auto disk = open_disk(disks[i]);
        if (!disk) {
            return base::fail(std::move(disk).error().in(words("vbds[", i, "]")));
        }
        opened.push_back(*std::move(disk));
    }
    return opened;
}

Result<ToolstackImpl::DevicePlan> ToolstackImpl::plan_devices(const VmConfig& config, const Heritage* heritage) {
    DevicePlan plan;
    if (heritage != nullptr) {
        for (const VifRecord& vif : heritage->vifs) {
            plan.vifs.push_back(vif.settings);
        }
    } else if (!config.vifs.empty()) {
        BASE_ASSIGN(plan.vifs, networks_->plan(config.vifs));
    }
    BASE_TRY(check_disks(config.vbds));
    BASE_ASSIGN(plan.vbds, open_disks(config.vbds));
    return plan;
}

void ToolstackImpl::record_devices(LiveDomain& live, const DevicePlan& plan) const {
    Record& record = live.record;
    record.devices = live.devices.entries();
    record.generation = live.devices.generation();
    for (const auto& vif : plan.vifs) {
        record.vifs.push_back({.id = static_cast<std::uint32_t>(record.vifs.size()), .settings = vif});
    }
    for (VbdConfig& disk : record.config.vbds) {
        if (disk.vdev.empty()) {
            disk.vdev = free_vdev(record.config.vbds);
        }
        record.vbds.push_back({.id = static_cast<std::uint32_t>(record.vbds.size())});
    }
    if (live.devices.lane()) {
        record.lane = live.devices.lane()->port();
    }
}

/// Hot.
void ToolstackImpl::serve(LiveDomain& live, DevicePlan plan, const Heritage* heritage) {
    if (!live.devices.lane()) {
        return;
    }
    if (heritage != nullptr) {
        networks_->hand_over(heritage->from, live.id());
    } else {
        networks_->take(live.id(), 0, plan.vifs);
    }
    plane_->add_domain(std::move(live.devices.lane()));
    live.data.served = true;
    const auto add = [&]<class Settings>(DeviceType type, std::vector<Settings>& all) {
        for (std::uint32_t id = 0; id < all.size(); ++id) {
            live.devices.describe(type, id, all[id]);
            plane_->add({.domain = live.id(),
                         .entry = *live.devices.entry_of(type, id),
                         .settings = std::move(all[id]),
                         .origin = noxs::Origin::fresh});
        }
    };
    add(DeviceType::vif, plan.vifs);
    add(DeviceType::vbd, plan.vbds);
}

void ToolstackImpl::stop_serving(LiveDomain& live) {
    if (std::exchange(live.data.served, false)) {
        plane_->remove_domain(live.id());
    }
    live.devices.lane().reset();
}

void ToolstackImpl::give_back_addresses(const LiveDomain& live) {
    if (live.record.lane && !live.data.bequeathed) {
        networks_->give_back(live.id());
    }
}

void ToolstackImpl::take_recorded_addresses(const LiveDomain& live) {
    for (const VifRecord& vif : live.record.vifs) {
        networks_->take(live.id(), vif.id, {vif.settings});
    }
}

void ToolstackImpl::serve_adopted(LiveDomain& live) {
    const Record& record = live.record;
    if (!record.lane) {
        return;
    }
    if (const auto opened = live.devices.open_lane(*live.domain, record.lane); !opened) {
        base::log(base::Level::warn,
                  words("domain '", live.name(), "' goes on without network and disks: ", opened.error().message));
        return;
    }
    plane_->add_domain(std::move(live.devices.lane()));
    live.data.served = true;
    add_adopted(live);
    if (!record.settled) {
        if (const auto written = live.devices.rewrite(*live.domain); !written) {
            base::log(base::Level::warn, words("domain '", live.name(), "': ", written.error().message));
        }
        page_changed(live);
    }
}

void ToolstackImpl::add_adopted(LiveDomain& live) {
    const auto now = Clock::now();
    live.data.missing.clear();
    for (const VifRecord& vif : live.record.vifs) {
        if (const auto* entry = live.devices.entry_of(DeviceType::vif, vif.id)) {
            plane_->add(
                {.domain = live.id(), .entry = *entry, .settings = vif.settings, .origin = noxs::Origin::adopted});
        }
        if (vif.leaving) {
            leave_again(live, {live.id(), DeviceType::vif, vif.id}, now);
        }
    }
    for (const VbdRecord& vbd : live.record.vbds) {
        live.data.missing.push_back({.id = vbd.id, .until = now + disk_patience, .why = {}});
    }
    look_for_disks(live, now);
}

/// A detach that an earlier daemon began.
void ToolstackImpl::leave_again(LiveDomain& live, const noxs::DeviceName& device, Clock::time_point now) {
    detach_by(live, device, now + detach_timeout);
    plane_->close(device);
}

bool ToolstackImpl::open_left_disk(LiveDomain& live, DataState::MissingDisk& disk, Clock::time_point now) {
    const auto record = std::ranges::find(live.record.vbds, disk.id, &VbdRecord::id);
    const auto* entry = live.devices.entry_of(DeviceType::vbd, disk.id);
    if (entry == nullptr) {
        return true;  // nobody serves what no page names
    }
    auto opened = open_disk(live.record.config.vbds[static_cast<std::size_t>(record - live.record.vbds.begin())]);
    if (opened) {
        plane_->add(
            {.domain = live.id(), .entry = *entry, .settings = *std::move(opened), .origin = noxs::Origin::adopted});
        if (record->leaving) {
            leave_again(live, {live.id(), DeviceType::vbd, disk.id}, now);
        }
        return true;
    }
    disk.why = opened.error().message;
    if (now >= disk.until) {
        const bool in_use = opened.error().code == base::Code::bad_state;
        give_up_disk(live, disk, in_use ? noxs::wire::State::closing : noxs::wire::State::closed);
    }
    return false;
}

/// Says so to the guest, which goes on. Closed makes its frontend fail its requests and use their pages again: not while
/// somebody holds the disk, who may be our predecessor, with requests that still read into them.
void ToolstackImpl::give_up_disk(LiveDomain& live, DataState::MissingDisk& disk, noxs::wire::State state) {
    disk.given_up = true;
    ++metrics_.devices_stopped;
    const noxs::DeviceName device{live.id(), DeviceType::vbd, disk.id};
    base::log(base::Level::warn, words("domain ", live.id().value, " '", live.name(),
                                       "': ", device_text(device.type, device.id), " is stopped: ", disk.why));
    const auto* entry = live.devices.entry_of(device.type, device.id);
    if (auto page = live.domain->map_pages(base::Gfn{entry->control_gfn}, 1)) {
        noxs::store_release(page->at<noxs::wire::ControlHeader>()->backend_state, state);
        static_cast<void>(live.devices.ring(*live.domain));  // the lane is the data plane's
    }
    emit(EventKind::device_stopped, live, device, disk.why, false);
}

void ToolstackImpl::look_for_disks(LiveDomain& live, Clock::time_point now) {
    std::erase_if(live.data.missing, [&](auto& disk) { return !disk.given_up && open_left_disk(live, disk, now); });
    if (std::ranges::any_of(live.data.missing, [](const auto& disk) { return !disk.given_up; })) {
        timers_.arm(now + disk_retry, live.id());
    }
}

}  // namespace split
