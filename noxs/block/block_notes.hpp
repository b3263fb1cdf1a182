// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

#include "noxs/back_ring.hpp"
#include "noxs/shared.hpp"
#include "noxs/wire/blkif.hpp"

namespace noxs {

/// The requests of a disk that are in flight, noted in its control page: responses come in any order, and take the places
/// of requests that are not done. A daemon that is killed at any instruction leaves ring and notes so that each request
/// that was taken is noted, or has a response on the ring. The guest can write all of it: what is read back is checked like
/// any request, and hurts nobody else.
class BlockNotes {
 public:
    using Ring = BackRing<wire::BlockRing>;

    BlockNotes() = default;
    explicit BlockNotes(wire::VbdNotes& page) : page_(&page) {}

    /// A ring that nobody has served before.
    void begin(const Ring& ring) {
        used_ = 0;
        store(ring);
    }
    /// Goes on where a predecessor was killed: his responses stay on the ring, `publish` is to come. Returns which notes
    /// are to be done again, a bit each; nothing: ring and notes do not fit. A daemon that made no notes had answered in
    /// order, and left the rest on the ring.
    std::optional<std::uint32_t> take_over(Ring& ring) {
        const auto state = std::bit_cast<State>(load_acquire(page_->state));
        const std::uint32_t taken = state.taken - ring.taken();
        used_ = 0;
        if (taken <= Ring::entries) {
            used_ = state.used;
            std::uint32_t answered = 0;
            for (; answered < taken; ++answered) {
                const auto mark = ring.peek<wire::BlockEntry>(answered).response.mark;
                if ((mark & wire::block_answered_mask) != wire::block_answered) {
                    break;
                }
                used_ &= ~(1U << (mark & ~wire::block_answered_mask));
            }
            if (answered + static_cast<std::uint32_t>(std::popcount(used_)) != taken) {
                return std::nullopt;
            }
            ring.inherit(taken, answered);
        }
        store(ring);
        return used_;
    }

    /// Notes the next request of the ring and takes it. Returns its note, below the ring's entries; there is one. Hot.
    unsigned take(Ring& ring, wire::BlockEntry& entry) {
        const auto note = static_cast<unsigned>(std::countr_one(used_));
        entry = ring.peek<wire::BlockEntry>();
        std::memcpy(&page_->requests[note], &entry, sizeof entry);
        ring.skip();
        used_ |= 1U << note;
        store(ring);
        return note;
    }
    /// A copy.
    wire::BlockEntry read(unsigned note) const {
        wire::BlockEntry copy;
        std::memcpy(&copy, &page_->requests[note], sizeof copy);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        return copy;
    }
    /// Writes the response to a request; before it is published its note is to be dropped. Hot.
    static void answer(Ring& ring, unsigned note, wire::BlockResponse response) {
        response.mark = wire::block_answered | note;
        std::atomic_signal_fence(std::memory_order_seq_cst);  // not before the store of `take`
        ring.answer(response);
    }
    /// Hot.
    void drop(std::uint32_t notes, const Ring& ring) {
        used_ &= ~notes;
        store(ring);
    }

 private:
    struct State {
        std::uint32_t taken;
        std::uint32_t used;
    };
    static_assert(sizeof(State) == sizeof(std::uint64_t));

    /// By one instruction, after what was written before.
    void store(const Ring& ring) {
        store_release(page_->state, std::bit_cast<std::uint64_t>(State{ring.taken(), used_}));
    }

    wire::VbdNotes* page_{nullptr};
    std::uint32_t used_{0};
};

}  // namespace noxs
