// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "guest-shims/runtime/boot_info.hpp"

namespace guest {

/// First-fit allocator over one range of memory, with its free list in the memory itself. Touches nothing before
/// the first allocation, and takes from the front of a free block, so untouched memory stays untouched.
class Heap {
 public:
    static constexpr std::size_t alignment = 16;

    explicit Heap(AddressRange range);

    /// `size` bytes, aligned to 16, not cleared. Null where there is no run of free memory that long.
    void* allocate(std::size_t size);

    /// Gives back what `allocate` returned (null: nothing). Returns false, and does nothing, where `p` is no live
    /// allocation of this heap.
    bool release(void* p);

    /// Bytes that are free now; one allocation may get less.
    std::size_t available() const;

 private:
    struct Block {
        std::size_t size;  // header included
        Block* next;       // free: the next free block by address; in use: in_use_mark
    };
    static_assert(sizeof(Block) == alignment);

    void start();
    static Block* in_use_mark(const Block* block);
    void insert(Block* block);

    AddressRange range_;
    Block* free_{nullptr};
    bool started_{false};
};

}  // namespace guest
