// SPDX-License-Identifier: Apache-2.0
#include "noxs/plane/core.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "noxs/backends/vbd.hpp"
#include "noxs/backends/vif.hpp"
#include "noxs/plane/dead_device.hpp"
#include "noxs/plane/totals.hpp"

namespace noxs {

namespace {

/// Takes the place of a control page that can't be reached.
base::Mapping own_page() {
    struct alignas(wire::page_size) Page {
        std::byte bytes[wire::page_size]{};
    };
    auto* page = new Page;
    return base::Mapping::take(page->bytes, sizeof page->bytes, [page](std::byte*, std::size_t) { delete page; });
}

}  // namespace

PlaneCore::PlaneCore(const Epoll& epoll, Events& events, Result<std::unique_ptr<BlockIo>> blocks)
    : epoll_(&epoll), events_(&events), switchboard_(epoll), blocks_(std::move(blocks)) {
    if (blocks_) {
        const auto watched = epoll.watch((*blocks_)->fd(), EPOLLIN, {Source::blocks, 0});
        blocks_ = watched ? std::move(blocks_) : base::fail(watched.error());
    }
    if (!blocks_) {
        base::log(base::Level::info, "no disks for guests on this host: " + blocks_.error().message);
    }
}

PlaneCore::~PlaneCore() {
    shut();
}

PlaneCore::Guest* PlaneCore::find(base::DomId domain) const {
    const auto found = guests_.find(domain.value);
    return found == guests_.end() ? nullptr : found->second.get();
}

DataDevice* PlaneCore::find(const DeviceName& name) const {
    const Guest* guest = find(name.domain);
    if (guest == nullptr) {
        return nullptr;
    }
    const auto found = std::ranges::find_if(guest->devices, [&](const auto& device) { return device->name() == name; });
    return found == guest->devices.end() ? nullptr : found->get();
}

void PlaneCore::add_domain(std::unique_ptr<hypervisor::DataLane> lane) {
    const std::uint16_t id = lane->domain().value;
    auto guest = std::make_unique<Guest>(Guest{std::move(lane)});
    const auto [at, added] = guests_.try_emplace(id, std::move(guest));
    if (!added) {
        base::log(base::Level::error, "domain " + std::to_string(id) + " has a data lane already");
        return;
    }
    // A ring that came before now woke nobody, or found no guest; a guest rings no more until it is taken. The devices have
    // a first turn when they are added.
    at->second->lane->take_ring();
}

std::unique_ptr<DataDevice> PlaneCore::make(DeviceParams params, DeviceOrder& order) {
    if (auto* disk = std::get_if<VbdSettings>(&order.settings)) {
        if (!blocks_) {
            auto dead = std::make_unique<DeadDevice>(std::move(params));
            dead->stop(blocks_.error().message);
            return dead;
        }
        return make_vbd(std::move(params), std::move(*disk), **blocks_);
    }
    const auto& settings = std::get<VifSettings>(order.settings);
    auto vif = std::make_unique<VifBackend>(std::move(params), settings, switchboard_.find(settings.network), scratch_);
    vif->plug();
    return vif;
}

/// The device has its first turn at once: its guest may have rung before.
void PlaneCore::add(DeviceOrder order) {
    Guest* guest = find(order.domain);
    if (guest == nullptr) {
        base::log(base::Level::error, "a device of domain " + std::to_string(order.domain.value) + " without a lane");
        return;
    }
    auto control = guest->lane->map_grant(base::GrantRef(order.entry.control_ref), base::Access::read_write);
    const bool reached = control.has_value() && !guest->unheard;
    DeviceParams params{*this, *guest->lane, order.entry, reached ? *std::move(control) : own_page(), order.origin};
    auto& device = *guest->devices.emplace_back(reached ? make(std::move(params), order)
                                                        : std::make_unique<DeadDevice>(std::move(params)));
    device.schedule.rings = &guest->rings;
    if (!reached) {
        device.stop(guest->unheard ? *guest->unheard : "control page: " + control.error().message);
    }
    device.begin();
    scheduler_.activate(device);
}

void PlaneCore::close(const DeviceName& name) {
    if (DataDevice* device = find(name)) {
        device->begin_close();
        scheduler_.activate(*device);
    }
}

/// It is destroyed by `sweep`, when it is quiet.
void PlaneCore::retire(Guest& guest, std::unique_ptr<DataDevice> device, bool tell) {
    scheduler_.forget(*device);
    add_to(gone_, device->status());
    device->retire();
    guest.leaving.push_back({std::move(device), tell});
    ++leaving_;
}

void PlaneCore::cut(const DeviceName& name) {
    remove(name, true);
}

void PlaneCore::remove(const DeviceName& name) {
    remove(name, false);
}

void PlaneCore::remove(const DeviceName& name, bool tell) {
    const DataDevice* device = find(name);
    if (device == nullptr) {
        return;
    }
    Guest& guest = *find(name.domain);
    const auto at = std::ranges::find(guest.devices, device, &std::unique_ptr<DataDevice>::get);
    auto taken = std::move(*at);
    guest.devices.erase(at);
    retire(guest, std::move(taken), tell);
    sweep();
}

void PlaneCore::remove_domain(base::DomId domain) {
    const auto at = guests_.find(domain.value);
    if (at == guests_.end()) {
        return;
    }
    Guest& guest = *leaving_guests_.emplace_back(std::move(at->second));
    guests_.erase(at);
    epoll_->unwatch(guest.lane->doorbell());
    for (auto& device : std::exchange(guest.devices, {})) {
        retire(guest, std::move(device));
    }
    sweep();
}

/// Ends what is quiet by now, devices before the lane that they used.
void PlaneCore::sweep() {
    const auto end_devices = [this](Guest& guest) {
        leaving_ -= std::erase_if(guest.leaving, [this](const Leaving& leaving) {
            if (!leaving.device->quiet()) {
                return false;
            }
            scheduler_.forget(*leaving.device);  // a request that was in flight may have woken it
            if (leaving.tell) {
                on_closed(*leaving.device);
            }
            return true;
        });
    };
    for (const auto& [id, guest] : guests_) {
        if (!guest->leaving.empty()) {
            end_devices(*guest);
        }
    }
    std::erase_if(leaving_guests_, [&](const auto& guest) {
        end_devices(*guest);
        return guest->leaving.empty();
    });
}

std::vector<DeviceStatus> PlaneCore::status(base::DomId domain) const {
    std::vector<DeviceStatus> all;
    if (const Guest* guest = find(domain)) {
        for (const auto& device : guest->devices) {
            all.push_back(device->status());
        }
    }
    return all;
}

DeviceTotals PlaneCore::totals() const {
    DeviceTotals totals = gone_;
    for (const auto& [id, guest] : guests_) {
        for (const auto& device : guest->devices) {
            add_to(totals, device->status());
        }
    }
    return totals;
}

void PlaneCore::shut() {
    while (!guests_.empty()) {
        remove_domain(base::DomId(guests_.begin()->first));
    }
    const auto deadline = Clock::now() + patience;
    while (!leaving_guests_.empty() && Clock::now() < deadline) {
        (*blocks_)->submit();
        pollfd done{(*blocks_)->fd(), POLLIN, 0};
        ::poll(&done, 1, 10);
        (*blocks_)->reap();
        sweep();
    }
    for (auto& guest : std::exchange(leaving_guests_, {})) {
        static_cast<void>(guest.release());  // the kernel still writes there
        static_cast<void>(blocks_ ? blocks_->release() : nullptr);
    }
}

void PlaneCore::on_stopped(DataDevice& device) {
    events_->put({device.name(), device.stopped()}, Events::Wake::now);
}

void PlaneCore::on_closed(DataDevice& device) {
    events_->put({device.name(), std::nullopt}, Events::Wake::now);
}

}  // namespace noxs
