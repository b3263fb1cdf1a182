// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest-shims/platform/platform.hpp"

namespace guest {

/// The Xen domain that this code runs in, started by the PVH entry; null where this is not Xen. Call it once.
Platform* find_xen_platform();

}  // namespace guest
