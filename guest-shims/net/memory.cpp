// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/memory.hpp"

#include "guest-shims/net/include/net_hooks.h"

namespace guest {

namespace {

constexpr std::size_t smallest = 64;
constexpr std::size_t chunk = 4096;
constexpr std::size_t classes = 6;  // 64 .. 2048; what is bigger comes from the heap itself
constexpr std::uint64_t from_heap = classes;

struct Header {
    std::uint64_t size_class;
    Header* next;
};
static_assert(sizeof(Header) == 16);

/// One per guest: lwIP's functions take no context.
struct {
    Heap* heap{nullptr};
    Header* free[classes]{};
} memory;

constexpr std::size_t size_of(std::size_t size_class) {
    return smallest << size_class;
}

/// Cuts new blocks from the heap. Returns false where that is empty.
bool refill(std::size_t size_class) {
    auto* at = static_cast<std::byte*>(memory.heap->allocate(chunk));
    if (at == nullptr) {
        return false;
    }
    for (std::size_t left = chunk; left >= size_of(size_class); left -= size_of(size_class)) {
        auto* block = reinterpret_cast<Header*>(at + (left - size_of(size_class)));
        *block = {size_class, memory.free[size_class]};
        memory.free[size_class] = block;
    }
    return true;
}

}  // namespace

void set_net_heap(Heap& heap) {
    memory.heap = &heap;
}

}  // namespace guest

void* net_allocate(std::size_t size) {
    using namespace guest;
    const std::size_t need = size + sizeof(Header);
    std::size_t size_class = 0;
    while (size_class < classes && size_of(size_class) < need) {
        ++size_class;
    }
    if (size_class == classes) {
        auto* block = static_cast<Header*>(memory.heap->allocate(need));
        if (block == nullptr) {
            return nullptr;
        }
        block->size_class = from_heap;
        return block + 1;
    }
    if (memory.free[size_class] == nullptr && !refill(size_class)) {
        return nullptr;
    }
    Header* block = memory.free[size_class];
    memory.free[size_class] = block->next;
    return block + 1;
}

void* net_allocate_cleared(std::size_t count, std::size_t size) {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return nullptr;
    }
    void* block = net_allocate(bytes);
    return block == nullptr ? nullptr : __builtin_memset(block, 0, bytes);
}

void net_release(void* block) {
    using namespace guest;
    if (block == nullptr) {
        return;
    }
    auto* header = static_cast<Header*>(block) - 1;
    if (header->size_class >= classes) {
        memory.heap->release(header);
        return;
    }
    header->next = memory.free[header->size_class];
    memory.free[header->size_class] = header;
}
