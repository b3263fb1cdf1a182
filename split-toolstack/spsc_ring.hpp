// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>

namespace split {

/// A queue between one producer thread and one consumer thread; neither locks, waits or allocates.
template <class T, std::size_t capacity_>
class SpscRing {
    static_assert((capacity_ & (capacity_ - 1)) == 0, "positions are taken modulo the capacity");

 public:
    static constexpr std::size_t capacity = capacity_;

    /// Producer. False: full.
    bool push(T value) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_.load(std::memory_order_acquire) == capacity) {
            return false;
        }
        slots_[tail % capacity] = value;
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    /// Consumer.
    std::optional<T> pop() {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire)) {
            return std::nullopt;
        }
        const T value = slots_[head % capacity];
        head_.store(head + 1, std::memory_order_release);
        return value;
    }

 private:
    static constexpr std::size_t cache_line = 64;
    alignas(cache_line) std::atomic<std::size_t> head_{0};
    alignas(cache_line) std::atomic<std::size_t> tail_{0};
    alignas(cache_line) std::array<T, capacity> slots_{};
};

}  // namespace split
