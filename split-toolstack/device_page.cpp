// SPDX-License-Identifier: Apache-2.0
// What Devices does to the device page of a guest that runs.
#include <algorithm>
#include <utility>

#include "split-toolstack/devices.hpp"
#include "split-toolstack/words.hpp"

namespace split {

using noxs::wire::DeviceEntry;
using noxs::wire::DeviceType;

Result<base::EvtchnPort> Devices::open_lane(hypervisor::Domain& domain, std::optional<base::EvtchnPort> left) {
    BASE_ASSIGN(lane_, domain.open_data_lane(left));
    return lane_->port();
}

const DeviceEntry* Devices::entry_of(DeviceType type, std::uint32_t id) const {
    const auto found =
        std::ranges::find_if(entries_, [&](const DeviceEntry& entry) { return entry.type == type && entry.id == id; });
    return found == entries_.end() ? nullptr : &*found;
}

Result<DeviceEntry> Devices::free_entry(const hypervisor::Layout& layout, DeviceType type, std::uint32_t id,
                                        base::EvtchnPort port) const {
    for (unsigned page = 0; page < layout.control_pages; ++page) {
        DeviceEntry entry{};
        entry.control_gfn = layout.control_first.value + page;
        if (std::ranges::find(entries_, entry.control_gfn, &DeviceEntry::control_gfn) == entries_.end()) {
            entry.type = type;
            entry.id = id;
            entry.backend = base::dom0.value;
            entry.control_ref = first_control_ref - page;
            entry.port = port.value;
            return entry;
        }
    }
    return base::fail(base::Code::limit_reached,
                      words("no room for another device: a guest can be given ", spare_control_pages,
                            " more than it was created with; detach one"));
}

noxs::PageWriter& Devices::page() {
    if (!page_) {
        page_ = noxs::PageWriter::take_over(generation_);
        for (const DeviceEntry& entry : entries_) {
            static_cast<void>(page_->add(entry));  // they were in a page before: they fit
        }
    }
    return *page_;
}

Result<void> Devices::publish(hypervisor::Domain& domain) {
    BASE_TRY(page().publish(domain));
    return ring(domain);
}

Result<void> Devices::ring(hypervisor::Domain& domain) const {
    const auto sysctl = std::ranges::find(entries_, DeviceType::sysctl, &DeviceEntry::type);
    return sysctl == entries_.end() ? Result<void>{} : domain.notify(base::EvtchnPort{sysctl->port});
}

Result<void> Devices::plug(hypervisor::Domain& domain, const DeviceEntry& entry) {
    BASE_TRY(page().add(entry));
    entries_.push_back(entry);
    return publish(domain);
}

Result<void> Devices::unplug(hypervisor::Domain& domain, DeviceType type, std::uint32_t id) {
    BASE_TRY(page().remove(type, id));
    std::erase_if(entries_, [&](const DeviceEntry& entry) { return entry.type == type && entry.id == id; });
    return publish(domain);
}

Result<void> Devices::rewrite(hypervisor::Domain& domain) {
    return publish(domain);
}

}  // namespace split
