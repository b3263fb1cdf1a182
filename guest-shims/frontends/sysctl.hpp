// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "guest-shims/platform/platform.hpp"
#include "noxs/wire/control_page.hpp"

namespace guest {

/// The frontend of sysctl: through it the guest says that it is ready, hears requests, and says why it ends. A guest
/// without such a device runs on, unheard.
class Sysctl {
 public:
    Sysctl(Platform& platform, const std::optional<noxs::wire::DeviceEntry>& device);

    /// Connects and ends "boot". Rings once. Hot: nothing else.
    void ready();

    /// The request that waits to be honoured: power_off before reboot. Others are left unacknowledged.
    std::optional<noxs::wire::SysctlRequest> request() const;

    /// Tells the toolstack that `request` was seen. The next notification carries it.
    void acknowledge(noxs::wire::SysctlRequest request);

    /// Announces why the guest ends, and ends it.
    [[noreturn]] void shutdown(noxs::wire::ShutdownReason reason, std::int32_t exit_code);

 private:
    Platform& platform_;
    noxs::wire::SysctlControl* control_{nullptr};
    base::EvtchnPort port_;
};

}  // namespace guest
