// SPDX-License-Identifier: Apache-2.0
// The instruction behind every call to the kvm driver. Only platform/kvm and the guest that misbehaves on purpose use
// it.
#pragma once

#include <cstdint>

namespace guest::kvm {

/// Writes `value` to `port`, 32 bits at once. The other side may read and write memory meanwhile.
template <std::uint16_t port>
inline void out32(std::uint32_t value) {
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

}  // namespace guest::kvm
