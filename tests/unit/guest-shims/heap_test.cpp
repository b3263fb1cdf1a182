// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/heap.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

namespace guest {
namespace {

class HeapTest : public testing::Test {
 protected:
    static constexpr std::size_t size = 64 * 1024;
    std::vector<unsigned char> space = std::vector<unsigned char>(size + 1);
    std::uint64_t begin = reinterpret_cast<std::uint64_t>(space.data());
    AddressRange range{begin, begin + size};
};

TEST_F(HeapTest, TouchesNothingBeforeTheFirstAllocation) {
    Heap heap(range);
    EXPECT_EQ(heap.available(), size);
    EXPECT_EQ(space, std::vector<unsigned char>(size + 1));
}

TEST_F(HeapTest, TakesFromTheFront) {
    Heap heap(range);
    auto* a = static_cast<char*>(heap.allocate(100));
    auto* b = static_cast<char*>(heap.allocate(100));
    EXPECT_LT(a, b);
    EXPECT_LT(reinterpret_cast<std::uint64_t>(b) - begin, 400U);
}

TEST_F(HeapTest, EndsWhenDry) {
    Heap heap(range);
    std::vector<void*> all;
    while (void* p = heap.allocate(1000)) {
        std::memset(p, 0xff, 1000);
        all.push_back(p);
    }
    EXPECT_EQ(all.size(), size / 1024);
    EXPECT_EQ(heap.allocate(1000), nullptr);
    for (void* p : all) {
        EXPECT_TRUE(heap.release(p));
    }
    EXPECT_EQ(heap.available(), size);
    EXPECT_NE(heap.allocate(size - Heap::alignment), nullptr);
}

TEST_F(HeapTest, RefusesAbsurdSizes) {
    Heap heap(range);
    for (const std::size_t want : {size, size + 1, ~std::size_t{0}, ~std::size_t{0} - 15, std::size_t{1} << 63}) {
        EXPECT_EQ(heap.allocate(want), nullptr) << want;
    }
    EXPECT_EQ(heap.available(), size);
}

TEST_F(HeapTest, RefusesWhatIsNoAllocation) {
    Heap heap(range);
    auto* a = static_cast<char*>(heap.allocate(64));
    ASSERT_NE(a, nullptr);
    int elsewhere{};
    EXPECT_TRUE(heap.release(nullptr));
    EXPECT_FALSE(heap.release(&elsewhere));
    EXPECT_FALSE(heap.release(a + 16));
    EXPECT_FALSE(heap.release(a + 1));
    EXPECT_FALSE(heap.release(reinterpret_cast<void*>(begin)));
    EXPECT_TRUE(heap.release(a));
    EXPECT_FALSE(heap.release(a));
}

TEST_F(HeapTest, WorksInTinyAndEmptyRanges) {
    EXPECT_EQ(Heap(AddressRange{}).allocate(1), nullptr);
    EXPECT_EQ(Heap(AddressRange{begin, begin + 16}).allocate(1), nullptr);
    EXPECT_EQ(Heap(AddressRange{begin + 100, begin}).allocate(1), nullptr);
    EXPECT_NE(Heap(AddressRange{begin, begin + 48}).allocate(1), nullptr);
}

TEST_F(HeapTest, KeepsAllocationsApartUnderChurn) {
    Heap heap({begin + 1, begin + size});
    std::mt19937 random(1);
    std::map<unsigned char*, std::size_t> live;
    for (int step = 0; step < 20'000; ++step) {
        if (random() % 2 == 0) {
            const std::size_t want = random() % 700;
            auto* p = static_cast<unsigned char*>(heap.allocate(want));
            if (p == nullptr) {
                continue;
            }
            ASSERT_EQ(reinterpret_cast<std::uintptr_t>(p) % Heap::alignment, 0U);
            const auto next = live.lower_bound(p);
            ASSERT_TRUE(next == live.end() || p + want <= next->first);
            ASSERT_TRUE(next == live.begin() || std::prev(next)->first + std::prev(next)->second <= p);
            std::memset(p, static_cast<int>(want & 0xff), want);
            live[p] = want;
        } else if (!live.empty()) {
            auto victim = std::next(live.begin(), static_cast<long>(random() % live.size()));
            for (std::size_t i = 0; i < victim->second; ++i) {
                ASSERT_EQ(victim->first[i], victim->second & 0xff);
            }
            ASSERT_TRUE(heap.release(victim->first));
            live.erase(victim);
        }
    }
    for (const auto& [p, unused] : live) {
        ASSERT_TRUE(heap.release(p));
    }
    EXPECT_GE(heap.available(), size - 2 * Heap::alignment);
}

}  // namespace
}  // namespace guest
