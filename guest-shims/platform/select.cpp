// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/kvm/kvm_platform.hpp"
#include "guest-shims/platform/platform.hpp"
#include "guest-shims/platform/process/process_platform.hpp"
#include "guest-shims/platform/pvh/pvh_platform.hpp"
#include "guest-shims/platform/xen/xen_platform.hpp"

namespace guest {

Platform* platform_for(std::uint64_t platform_id) {
    switch (platform_id) {
        case process_platform_id: return &process_platform();
        case kvm_platform_id: return &kvm_platform();
        case pvh_platform_id: {
            Platform* xen = find_xen_platform();
            return xen != nullptr ? xen : &pvh_platform();
        }
        default: return nullptr;
    }
}

}  // namespace guest
