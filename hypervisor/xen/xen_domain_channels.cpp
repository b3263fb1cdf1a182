// SPDX-License-Identifier: Apache-2.0
// The ways to and from a domain: its event channels, its data lane.
#include <atomic>
#include <utility>

#include "hypervisor/xen/xen_domain.hpp"
#include "hypervisor/xen/xen_driver.hpp"
#include "hypervisor/xen/xen_lane.hpp"

namespace hypervisor::xen {

Result<base::EvtchnPort> XenDomain::open_channel() {
    BASE_ASSIGN(const auto ends, driver_.ports().open_channel(toolstack(), id_));
    if (locals_.size() < ends.guest.value) {
        locals_.resize(ends.guest.value);
    }
    locals_[ends.guest.value - 1] = ends.local;
    return ends.guest;
}

void XenDomain::close_channels() {
    for (const auto local : std::exchange(locals_, {})) {
        if (local != 0) {
            driver_.ports().unbind(local);
        }
    }
}

Result<std::unique_ptr<DataLane>> XenDomain::open_data_lane(std::optional<base::EvtchnPort> left) {
    if (!native()) {
        return base::fail(base::Code::unsupported, "a data lane for somebody else's kernel");
    }
    if (destroyed_ || lane_open_->load(std::memory_order_acquire)) {
        return base::fail(base::Code::bad_state, "the domain has a data lane already, or is destroyed");
    }
    if (left) {
        lane_port_ = *left;
    }
    if (!lane_port_) {
        BASE_ASSIGN(lane_port_, reserve_port(toolstack(), id_));
    }
    // adopted() binds to whatever waits.
    if (const auto index = lane_port_->value - 1; index < locals_.size() && locals_[index] != 0) {
        driver_.ports().unbind(std::exchange(locals_[index], 0));
    }
    BASE_TRY(check_port_waits(toolstack(), id_, *lane_port_));
    auto lane = XenLane::open(id_, *lane_port_, lane_open_);
    lane_open_->store(lane.has_value(), std::memory_order_release);
    return lane;
}

Result<void> XenDomain::notify(base::EvtchnPort port) {
    if (port.value == 0 || port.value > locals_.size() || locals_[port.value - 1] == 0) {
        return base::fail(base::Code::invalid_argument, "no such event channel");
    }
    return driver_.ports().notify(locals_[port.value - 1]);
}

}  // namespace hypervisor::xen
