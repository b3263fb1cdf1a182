// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "hypervisor/drivers.hpp"

namespace hypervisor::xen {

/// The driver for real Xen. Works in dom0 of Xen 4.17 or later with its kernel modules loaded; the error says what is
/// missing. (Apart from the driver's class because Xen's own headers want GNU C++.)
Result<std::unique_ptr<Hypervisor>> open_driver(const DriverOptions& options);

}  // namespace hypervisor::xen
