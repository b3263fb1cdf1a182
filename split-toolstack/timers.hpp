// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "base/ids.hpp"

namespace split {

/// When which domain wants to be looked at. There is no cancelling: who is woken for nothing does nothing.
class Timers {
 public:
    using Clock = std::chrono::steady_clock;

    void arm(Clock::time_point when, base::DomId id) {
        heap_.push_back({when, id});
        std::ranges::push_heap(heap_, std::greater{}, &Entry::when);
    }

    std::optional<Clock::time_point> next() const {
        return heap_.empty() ? std::nullopt : std::optional(heap_.front().when);
    }

    /// The next domain that is due at `now`.
    std::optional<base::DomId> pop_due(Clock::time_point now) {
        if (heap_.empty() || heap_.front().when > now) {
            return std::nullopt;
        }
        std::ranges::pop_heap(heap_, std::greater{}, &Entry::when);
        const base::DomId id = heap_.back().id;
        heap_.pop_back();
        return id;
    }

 private:
    struct Entry {
        Clock::time_point when;
        base::DomId id;
    };
    std::vector<Entry> heap_;
};

}  // namespace split
