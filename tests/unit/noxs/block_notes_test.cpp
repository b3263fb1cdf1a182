// SPDX-License-Identifier: Apache-2.0
// Daemons that are killed between any two steps: what was taken is answered once.
#include "noxs/block/block_notes.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <random>
#include <vector>

namespace noxs {
namespace {

using wire::block_ring_entries;

/// A frontend that keeps its ring full, and a daemon that dies now and then.
class Disk {
 public:
    Disk() {
        page_.header.req_prod = page_.header.rsp_prod = first;
        page_.header.req_event = first + 1;
        start();
        notes_.begin(ring_);
    }

    void ask() {
        while (prod_ - cons_ < block_ring_entries) {
            wire::BlockEntry entry{};
            entry.request.id = next_id_;
            entry.request.sector = next_id_ * 8;
            ++waiting_[next_id_++];
            page_.entries[prod_++ % block_ring_entries] = entry;
        }
        store_release(page_.header.req_prod, prod_);
    }
    void take(std::uint32_t count) {
        for (; count > 0 && ring_.pending().value_or(0) > 0; --count) {
            wire::BlockEntry entry;
            const unsigned note = notes_.take(ring_, entry);
            ASSERT_FALSE(in_flight_.contains(note));
            in_flight_[note] = entry;
        }
    }
    /// Answers some of what is in flight; killed after `steps` of answering, dropping, publishing. Whether it lives.
    template <class Choose>
    bool answer(Choose chosen, std::uint32_t steps) {
        std::uint32_t dropped = 0;
        for (auto at = in_flight_.begin(); at != in_flight_.end();) {
            if (!chosen()) {
                ++at;
                continue;
            }
            if (steps-- == 0) {
                return false;
            }
            wire::BlockResponse response{};
            response.id = at->second.request.id;
            BlockNotes::answer(ring_, at->first, response);
            dropped |= 1U << at->first;
            at = in_flight_.erase(at);
        }
        if (steps-- == 0) {
            return false;
        }
        notes_.drop(dropped, ring_);
        if (steps-- == 0) {
            return false;
        }
        ring_.publish();
        return true;
    }
    /// `lives`: until it has published what its predecessor had answered.
    void take_over(bool lives) {
        start();
        in_flight_.clear();
        const auto again = notes_.take_over(ring_);
        ASSERT_TRUE(again);
        for (unsigned note = 0; note < block_ring_entries; ++note) {
            if ((*again >> note & 1) != 0) {
                in_flight_[note] = notes_.read(note);
            }
        }
        if (lives) {
            ring_.publish();
        }
    }
    /// The frontend takes responses: each is of a request that waits, and of no other.
    void listen() {
        for (; cons_ != load_acquire(page_.header.rsp_prod); ++cons_) {
            const auto id = page_.entries[cons_ % block_ring_entries].response.id;
            ASSERT_EQ(waiting_.erase(id), 1U) << id;
        }
        for (const auto& [note, entry] : in_flight_) {
            ASSERT_TRUE(waiting_.contains(entry.request.id)) << entry.request.id;
            ASSERT_EQ(entry.request.sector, entry.request.id * 8);
        }
    }
    bool all_answered() const { return waiting_.empty(); }

 private:
    void start() {
        auto* bytes = reinterpret_cast<std::byte*>(&page_);
        ring_ = BlockNotes::Ring(base::Mapping::view(bytes, sizeof page_));
        notes_ = BlockNotes(shared_);
    }

    static constexpr std::uint32_t first = 0xffffff00;  // indices wrap on the way

    alignas(4096) wire::BlockRing page_{};
    wire::VbdNotes shared_{};
    BlockNotes::Ring ring_;
    BlockNotes notes_;
    std::map<unsigned, wire::BlockEntry> in_flight_;
    std::map<std::uint64_t, unsigned> waiting_;
    std::uint64_t next_id_{7};
    std::uint32_t prod_{first};
    std::uint32_t cons_{first};
};

TEST(BlockNotes, EachRequestIsAnsweredOnceWhereverADaemonDies) {
    std::minstd_rand engine(1);
    const auto random = [&](unsigned below) { return std::uniform_int_distribution(0U, below - 1)(engine); };
    Disk disk;
    unsigned deaths = 0;
    for (unsigned round = 0; round < 20'000; ++round) {
        disk.ask();
        disk.take(random(40));
        if (!disk.answer([&] { return random(3) == 0; }, random(12))) {
            ++deaths;
            while (random(4) == 0) {
                disk.take_over(false);
            }
            disk.take_over(true);
        }
        ASSERT_NO_FATAL_FAILURE(disk.listen());
    }
    EXPECT_GT(deaths, 1000U);
    while (!disk.all_answered()) {
        disk.take(block_ring_entries);
        disk.answer([] { return true; }, 100);
        ASSERT_NO_FATAL_FAILURE(disk.listen());
    }
}

}  // namespace
}  // namespace noxs
