// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/heap.hpp"

namespace guest {

namespace {

constexpr std::uint64_t round_up(std::uint64_t n) {
    return (n + Heap::alignment - 1) & ~(Heap::alignment - 1);
}

/// Not a valid block address: odd.
constexpr std::uintptr_t mark_bits = 0x6e6f78734d454d01;

}  // namespace

Heap::Heap(AddressRange range) : range_{round_up(range.begin), range.end & ~(alignment - 1)} {}

void Heap::start() {
    started_ = true;
    if (range_.size() >= 2 * sizeof(Block)) {
        free_ = reinterpret_cast<Block*>(range_.begin);
        *free_ = {range_.size(), nullptr};
    }
}

/// Depends on the address, so that a stale copy of a header elsewhere does not pass for one.
Heap::Block* Heap::in_use_mark(const Block* block) {
    return reinterpret_cast<Block*>(reinterpret_cast<std::uintptr_t>(block) ^ mark_bits);
}

void* Heap::allocate(std::size_t size) {
    if (!started_) {
        start();
    }
    if (size > range_.size()) {
        return nullptr;
    }
    const std::size_t need = round_up(size == 0 ? 1 : size) + sizeof(Block);
    for (Block** link = &free_; *link != nullptr; link = &(*link)->next) {
        Block* block = *link;
        if (block->size < need) {
            continue;
        }
        if (block->size - need >= 2 * sizeof(Block)) {
            auto* rest = reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(block) + need);
            *rest = {block->size - need, block->next};
            *link = rest;
            block->size = need;
        } else {
            *link = block->next;
        }
        block->next = in_use_mark(block);
        return block + 1;
    }
    return nullptr;
}

bool Heap::release(void* p) {
    if (p == nullptr) {
        return true;
    }
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    if (at % alignment != 0 || at < range_.begin + sizeof(Block) || at >= range_.end) {
        return false;
    }
    Block* block = static_cast<Block*>(p) - 1;
    if (block->next != in_use_mark(block)) {
        return false;
    }
    insert(block);
    return true;
}

/// Puts a block into the list by address, and joins it with neighbours that it touches.
void Heap::insert(Block* block) {
    const auto end_of = [](Block* b) { return reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(b) + b->size); };
    Block* before = nullptr;
    Block* after = free_;
    while (after != nullptr && after < block) {
        before = after;
        after = after->next;
    }
    block->next = after;
    if (after != nullptr && end_of(block) == after) {
        block->size += after->size;
        block->next = after->next;
    }
    if (before == nullptr) {
        free_ = block;
    } else if (end_of(before) == block) {
        before->size += block->size;
        before->next = block->next;
    } else {
        before->next = block;
    }
}

std::size_t Heap::available() const {
    if (!started_) {
        return range_.size();
    }
    std::size_t sum = 0;
    for (const Block* block = free_; block != nullptr; block = block->next) {
        sum += block->size;
    }
    return sum;
}

}  // namespace guest
