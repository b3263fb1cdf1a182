// SPDX-License-Identifier: Apache-2.0
// Access to memory that the other side may write at any moment. Each call reads or writes it exactly once.
#pragma once

namespace guest {

template <class T>
[[gnu::always_inline]] inline T load_relaxed(const T& from) {
    T value;
    __atomic_load(&from, &value, __ATOMIC_RELAXED);
    return value;
}

template <class T>
[[gnu::always_inline]] inline T load_acquire(const T& from) {
    T value;
    __atomic_load(&from, &value, __ATOMIC_ACQUIRE);
    return value;
}

template <class T>
[[gnu::always_inline]] inline void store_relaxed(T& to, T value) {
    __atomic_store(&to, &value, __ATOMIC_RELAXED);
}

template <class T>
[[gnu::always_inline]] inline void store_release(T& to, T value) {
    __atomic_store(&to, &value, __ATOMIC_RELEASE);
}

}  // namespace guest
