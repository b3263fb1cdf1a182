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

/// Opens the driver `name`, or with "auto" the best that works on this host. The error of "auto" lists why each one
/// does not.
Result<std::unique_ptr<Hypervisor>> open_driver(std::string_view name, const DriverOptions& options);

}  // namespace hypervisor
