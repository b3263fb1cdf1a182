// SPDX-License-Identifier: Apache-2.0
// Calls to Xen. Only platform/xen and the guest that misbehaves on purpose use it.
#pragma once

#include <cstdint>

namespace guest::xen {

/// Hypercall `number` with two arguments; returns its result, or minus Xen's errno. The platform must have been found
/// before: it fills the page, 32 bytes of code per call (xen.h: "hypercall page").
template <unsigned number>
std::int64_t hypercall(std::uint64_t command, const volatile void* argument) {
    std::int64_t result;
    asm volatile("call xen_hypercall_page + %c[offset]"
                 : "=a"(result), "+D"(command), "+S"(argument)
                 : [offset] "i"(number * 32)
                 : "memory");
    return result;
}

}  // namespace guest::xen
