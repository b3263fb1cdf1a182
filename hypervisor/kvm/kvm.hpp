// SPDX-License-Identifier: Apache-2.0
// The kvm driver: virtual machines in the confined processes of the process driver, owned by the same chaos-hv.
#pragma once

#include <memory>

#include "hypervisor/drivers.hpp"
#include "hypervisor/hypervisor.hpp"

namespace hypervisor::kvm {

/// Opens the driver where KVM runs guests: chaos-hv makes one to find out. The error says why not, with the fix.
Result<std::unique_ptr<Hypervisor>> open_driver(const DriverOptions& options);

}  // namespace hypervisor::kvm
