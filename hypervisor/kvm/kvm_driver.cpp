// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/kvm/kvm.hpp"
#include "hypervisor/kvm/kvm_device.hpp"
#include "hypervisor/process/process_driver.hpp"

namespace hypervisor::kvm {

Result<std::unique_ptr<Hypervisor>> open_driver(const DriverOptions& options) {
    BASE_TRY(open_device());  // the common reasons, without starting anything
    return process::ProcessDriver::open(
        options,
        {process::Kind::kvm, "kvm",
         "hardware isolation: a guest is a virtual machine without privileged mode, inside a process with eight "
         "system calls"});
}

}  // namespace hypervisor::kvm
