// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "noxs/backend.hpp"
#include "noxs/handshake.hpp"

namespace noxs {

/// What the guest last said about its end.
struct FinalState {
    wire::ShutdownReason reason{wire::ShutdownReason::none};
    std::int32_t exit_code{0};
};

/// Backend of the sysctl device: ready, requests to the guest, its last words. The toolstack's own device, with no
/// data of the guest to map. Each of the listener's calls comes after the backend has settled its own state, so that a
/// listener may destroy the backend inside a call.
class SysctlBackend final : public Backend {
 public:
    static constexpr wire::DeviceType device_type = wire::DeviceType::sysctl;

    /// On a control page that is all zero: writes the header with InitWait.
    static Result<std::unique_ptr<SysctlBackend>> create(hypervisor::Domain& domain, const wire::DeviceEntry& entry,
                                                         base::Mapping control, BackendListener& listener);
    /// On the page of a guest that may run already. A guest that was ready before is not reported: see `ready`.
    static Result<std::unique_ptr<SysctlBackend>> adopt(hypervisor::Domain& domain, const wire::DeviceEntry& entry,
                                                        base::Mapping control, BackendListener& listener);

    wire::DeviceType type() const override { return device_type; }
    /// Never wants to be called again without a ring.
    std::optional<Clock::time_point> on_event(Clock::time_point now) override;

    /// Sets the request and rings the guest. A request that is pending already only rings. Error: bad_state once the
    /// guest has closed the device.
    Result<void> request(wire::SysctlRequest request);

    /// The guest has said ready.
    bool ready() const { return ready_; }

    /// The last words as reported, or, before any report (after the guest's death), as they stand in the page.
    FinalState final_state() const;

 private:
    SysctlBackend(hypervisor::Domain& domain, const wire::DeviceEntry& entry, base::Mapping control,
                  BackendListener& listener);
    void follow_frontend();
    FinalState read_final() const;
    wire::SysctlControl& control() const { return handshake_.page<wire::SysctlControl>(); }

    hypervisor::Domain* domain_;
    BackendListener* listener_;
    Handshake handshake_;
    std::uint32_t requests_{0};
    std::uint32_t acknowledged_{0};
    FinalState final_;
    bool ready_{false};
};

}  // namespace noxs
