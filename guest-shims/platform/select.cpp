// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/platform.hpp"
#include "guest-shims/platform/process/process_platform.hpp"
#include "guest-shims/platform/xen/xen_platform.hpp"

namespace guest {

Platform* platform_for(std::uint64_t platform_id) {
    if (platform_id == process_platform_id) {
        return &process_platform();
    }
    return platform_id == pvh_platform_id ? find_xen_platform() : nullptr;
}

}  // namespace guest
