// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/sysctl.hpp"

#include "guest-shims/frontends/control.hpp"

namespace guest {

namespace wire = noxs::wire;

Sysctl::Sysctl(Platform& platform, const std::optional<wire::DeviceEntry>& device) : platform_(platform) {
    if (device) {
        control_ = control_page<wire::SysctlControl>(*device);
        port_ = base::EvtchnPort{device->port};
    }
}

void Sysctl::ready() {
    if (control_ == nullptr) {
        return;
    }
    store_relaxed(control_->header.frontend_state, wire::State::connected);
    store_release(control_->ready, 1U);
    platform_.notify(port_);
}

std::optional<wire::SysctlRequest> Sysctl::request() const {
    const std::uint32_t requests = control_ == nullptr ? 0 : load_acquire(control_->requests);
    for (const auto request : {wire::SysctlRequest::power_off, wire::SysctlRequest::reboot}) {
        if ((requests & static_cast<std::uint32_t>(request)) != 0) {
            return request;
        }
    }
    return std::nullopt;
}

void Sysctl::acknowledge(wire::SysctlRequest request) {
    if (control_ != nullptr) {
        __atomic_fetch_or(&control_->acknowledged, static_cast<std::uint32_t>(request), __ATOMIC_RELEASE);
    }
}

void Sysctl::shutdown(wire::ShutdownReason reason, std::int32_t exit_code) {
    if (control_ != nullptr) {
        store_relaxed(control_->exit_code, exit_code);
        store_release(control_->reason, reason);
        platform_.notify(port_);
    }
    platform_.shutdown(exit_code);
    __builtin_unreachable();  // GCC forgets that a virtual call does not return
}

}  // namespace guest
