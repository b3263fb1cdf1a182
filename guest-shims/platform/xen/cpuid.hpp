// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "guest-shims/platform/cpuid.hpp"
#include "guest-shims/platform/xen/interface.hpp"

namespace guest::xen {

/// Xen's first CPUID leaf, or 0 where this is not Xen. `cpuid(leaf)` is the instruction: an exit each. Not always
/// 0x40000000: a Xen that also speaks another hypervisor's interface moves its own up.
template <class Cpuid>
std::uint32_t find_xen_leaf(Cpuid cpuid) {
    for (std::uint32_t leaf = cpuid_first_leaf; leaf < cpuid_last_leaf; leaf += cpuid_leaf_step) {
        const CpuidResult found = cpuid(leaf);
        if (found.ebx == cpuid_signature[0] && found.ecx == cpuid_signature[1] && found.edx == cpuid_signature[2]) {
            return leaf;
        }
    }
    return 0;
}

}  // namespace guest::xen
