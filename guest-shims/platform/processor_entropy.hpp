// SPDX-License-Identifier: Apache-2.0
// Randomness where the hypervisor offers none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "guest-shims/platform/cpuid.hpp"
#include "guest-shims/platform/pvclock.hpp"

namespace guest {

inline bool read_random(std::uint64_t& value) {
    constexpr int tries = 10;  // Intel, "Digital Random Number Generator Software Implementation Guide", 5.2.1
    for (int i = 0; i < tries; ++i) {
        bool good;
        asm volatile("rdrand %0" : "=r"(value), "=@ccc"(good));
        if (good) {
            return true;
        }
    }
    return false;
}

/// Fills `out` from the processor. On one without RDRAND (before 2012, or where the hypervisor hides it) there is
/// nothing better than the time stamp counter, mixed with `seed`: different each time, but a neighbour may guess it.
/// Not fit for keys then.
inline void processor_entropy(std::span<std::byte> out, std::uint64_t seed) {
    constexpr std::uint32_t has_rdrand = 1U << 30;
    const bool have = (cpuid(1).ecx & has_rdrand) != 0;
    for (auto& byte : out) {
        std::uint64_t value = 0;
        if (!have || !read_random(value)) {
            seed = (seed ^ read_tsc()) * 0xbf58476d1ce4e5b9;
            value = seed >> 56;
        }
        byte = static_cast<std::byte>(value);
    }
}

}  // namespace guest
