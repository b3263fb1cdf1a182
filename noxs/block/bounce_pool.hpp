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

    /// Whether a disk that has buffers already may take another one: who has none always may, so that all go on.
    bool has_room() const { return taken_ + largest <= budget; }
    /// At least `size` bytes, at most `largest`; not cleared. Without `memory` when the host has none left.
    Buffer take(std::size_t size) {
        const bool small = size <= small_size;
        const std::size_t room = small ? small_size : largest;
        auto& kept = small ? small_ : large_;
        Buffer buffer;
        if (!kept.empty()) {
            buffer = std::move(kept.back());
            kept.pop_back();
        } else {
            buffer = {std::unique_ptr<std::byte[], Free>(new (alignment, std::nothrow) std::byte[room]), room};
        }
        taken_ += buffer.memory ? room : 0;
        return buffer;
    }
    void give_back(Buffer buffer) {
        if (!buffer.memory) {
            return;
        }
        taken_ -= buffer.size;
        auto& kept = buffer.size <= small_size ? small_ : large_;
        if (kept.size() < kept_at_most) {
            kept.push_back(std::move(buffer));
        }
    }

    static constexpr std::size_t largest = 1 << 20;  ///< 256 segments
    /// Of all guests together. One guest's ring asks for up to 32 MiB.
    static constexpr std::size_t budget = 256 << 20;

 private:
    static constexpr std::align_val_t alignment{4096};
    static constexpr std::size_t small_size = 64 << 10;  // 11 segments, and some
    static constexpr std::size_t kept_at_most = 32;      // as many as one guest's ring asks for

    std::vector<Buffer> small_;
    std::vector<Buffer> large_;
    std::size_t taken_{0};  // bytes
};

}  // namespace noxs
