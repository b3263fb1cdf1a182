// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hypervisor/hypervisor.hpp"

namespace hypervisor {

struct DriverOptions {
    std::string runtime_dir;  ///< sockets of the driver's helpers live here; exists
    std::string helper_dir;   ///< where helper programs are (chaos-hv); empty: beside the running program
};

/// Names of the drivers in this build, best first.
std::vector<std::string_view> driver_names();

/// A driver that does not work on this host.
struct SkippedDriver {
    std::string name;
    std::string why;  ///< with the fix
};

struct OpenedDriver {
    std::unique_ptr<Hypervisor> hypervisor;
    std::vector<SkippedDriver> skipped;  ///< better ones, with "auto"
};

/// Opens the driver `name`, or with "auto" the best that works on this host. The error of "auto" lists why each one
/// does not.
Result<OpenedDriver> open_driver(std::string_view name, const DriverOptions& options);

}  // namespace hypervisor
