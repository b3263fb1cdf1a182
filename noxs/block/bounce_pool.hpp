// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace noxs {

/// Buffers that disks read into and write from, aligned for O_DIRECT. Keeps some of those that were given back.
class BouncePool {
 public:
    struct Free {
        void operator()(std::byte* memory) const { ::operator delete[](memory, alignment); }
    };
    struct Buffer {
        std::unique_ptr<std::byte[], Free> memory;
        std::size_t size{0};
        std::byte* data() const { return memory.get(); }
    };

    /// At least `size` bytes, at most `largest`; not cleared.
    Buffer take(std::size_t size) {
        const bool small = size <= small_size;
        auto& kept = small ? small_ : large_;
        if (!kept.empty()) {
            Buffer buffer = std::move(kept.back());
            kept.pop_back();
            return buffer;
        }
        const std::size_t room = small ? small_size : largest;
        return {std::unique_ptr<std::byte[], Free>(new (alignment) std::byte[room]), room};
    }
    void give_back(Buffer buffer) {
        auto& kept = buffer.size <= small_size ? small_ : large_;
        if (buffer.memory && kept.size() < kept_at_most) {
            kept.push_back(std::move(buffer));
        }
    }

    static constexpr std::size_t largest = 1 << 20;  ///< 256 segments

 private:
    static constexpr std::align_val_t alignment{4096};
    static constexpr std::size_t small_size = 64 << 10;  // 11 segments, and some
    static constexpr std::size_t kept_at_most = 32;      // as many as one guest's ring asks for

    std::vector<Buffer> small_;
    std::vector<Buffer> large_;
};

}  // namespace noxs
