// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/platform.hpp"
#include "guest-shims/platform/process/process_platform.hpp"

namespace guest {

Platform* platform_for(std::uint64_t platform_id) {
    if (platform_id == process_platform_id) {
        return &process_platform();
    }
    return nullptr;
}

}  // namespace guest
