// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "hypervisor/drivers.hpp"
#include "split-toolstack/toolstack.hpp"

namespace chaos {

using base::Result;
using split::Clock;

/// What the service needs of the program around it; tests drive it by hand.
class Host {
 public:
    virtual ~Host() = default;
    /// Calls `work` after what is ready now.
    virtual void post(std::function<void()> work) = 0;
    /// Calls Service::on_time at `when` or earlier.
    virtual void wake_at(Clock::time_point when) = 0;
    /// Calls Service::poll whenever `fd` is readable, and no longer for the one watched before; -1: none. False: it
    /// can't be watched.
    virtual bool watch(int fd) = 0;
    /// Ends the program once replies are out.
    virtual void stop() = 0;
    /// Drivers better than the one in use, that do not work on this host.
    virtual std::vector<hypervisor::SkippedDriver> skipped_drivers() const { return {}; }
};

}  // namespace chaos
