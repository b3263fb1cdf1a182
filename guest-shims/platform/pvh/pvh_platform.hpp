// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest-shims/platform/platform.hpp"

namespace guest {

/// A machine that is entered as PVH says and is not Xen, such as QEMU's with -kernel. Makes all of the first MiB
/// readable.
Platform& pvh_platform();

}  // namespace guest
