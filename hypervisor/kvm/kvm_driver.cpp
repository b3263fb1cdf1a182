// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/kvm/kvm.hpp"
#include "hypervisor/kvm/kvm_abi.hpp"
#include "hypervisor/kvm/kvm_device.hpp"
#include "hypervisor/process/process_driver.hpp"

namespace hypervisor::kvm {

Result<std::unique_ptr<Hypervisor>> open_driver(const DriverOptions& options) {
    BASE_TRY(open_device());       // the common reasons, without starting anything
    constexpr unsigned tasks = 2;  // one is the kernel's, on Linux 6.14 and later
    return process::ProcessDriver::open(
        options, {process::Kind::kvm,
                  "hardware isolation: a guest is a virtual machine without privileged mode, inside a process with six "
                  "system calls",
                  tasks, base::Bytes{abi::max_memory}});
}

}  // namespace hypervisor::kvm
