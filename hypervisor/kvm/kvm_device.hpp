// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"

namespace hypervisor::kvm {

/// Opens /dev/kvm and checks that it speaks the API of every KVM since Linux 2.6.22. The error says how to get it.
base::Result<base::Fd> open_device();

}  // namespace hypervisor::kvm
