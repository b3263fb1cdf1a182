// SPDX-License-Identifier: Apache-2.0
// How both sides touch fields of shared pages. Freestanding, self-contained.
#pragma once

#include <type_traits>

namespace noxs {

/// Reads a field once; what the peer wrote before it published the value is visible afterwards.
template <class T>
T load_acquire(const T& field) noexcept {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
    T value;
    __atomic_load(&field, &value, __ATOMIC_ACQUIRE);
    return value;
}

/// Writes a field once; publishes everything written before.
template <class T>
void store_release(T& field, std::type_identity_t<T> value) noexcept {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
    __atomic_store(&field, &value, __ATOMIC_RELEASE);
}

}  // namespace noxs
