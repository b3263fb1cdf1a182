// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "hypervisor/hypervisor.hpp"
#include "split-toolstack/devices.hpp"
#include "split-toolstack/timing.hpp"

namespace split {

/// A prepared domain without an image: parked, its noxs pages written for every device that a guest may have.
/// Letting the object go leaves the domain to the driver; whoever does not use a shell destroys it.
struct Shell {
    std::unique_ptr<hypervisor::Domain> domain;
    Devices devices;  ///< use the domain's mappings: declared after it, so that they go first
    Timing timing{};  ///< of the prepare phases
};

}  // namespace split
