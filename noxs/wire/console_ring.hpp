// SPDX-License-Identifier: Apache-2.0
// Xen's console ring, layout of xencons_interface (Xen, public/io/console.h). Freestanding, self-contained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace noxs::wire {

/// Indices run freely and wrap at 2^32; a position is index modulo the array size. `in` flows to the guest.
struct ConsoleRing {
    char in[1024];           //    0  backend writes
    char out[2048];          // 1024  frontend writes
    std::uint32_t in_cons;   // 3072  frontend
    std::uint32_t in_prod;   // 3076  backend
    std::uint32_t out_cons;  // 3080  backend
    std::uint32_t out_prod;  // 3084  frontend
};
static_assert(sizeof(ConsoleRing) == 3088 && offsetof(ConsoleRing, out) == 1024);
static_assert(offsetof(ConsoleRing, in_cons) == 3072 && offsetof(ConsoleRing, out_prod) == 3084);
static_assert(std::has_unique_object_representations_v<ConsoleRing>);

}  // namespace noxs::wire
