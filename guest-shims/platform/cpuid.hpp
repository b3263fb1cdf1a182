// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace guest {

struct CpuidResult {
    std::uint32_t eax;
    std::uint32_t ebx;
    std::uint32_t ecx;
    std::uint32_t edx;
};

/// The instruction: an exit under every hypervisor.
inline CpuidResult cpuid(std::uint32_t leaf) {
    CpuidResult r{};
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
    return r;
}

}  // namespace guest
