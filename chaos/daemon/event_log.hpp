// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "chaos/json/writer.hpp"
#include "split-toolstack/toolstack.hpp"

namespace chaos {

/// The last events, each with its sequence number. Numbers begin at `first` and have no gaps.
class EventLog {
 public:
    EventLog(std::size_t capacity, std::uint64_t first) : capacity_(capacity), next_(first) {}

    struct Entry {
        std::uint64_t sequence{0};
        std::int64_t unix_ms{0};
        split::Event event;
    };

    const Entry& add(split::Event event, std::int64_t unix_ms);

    /// The number that the next event will get.
    std::uint64_t next() const { return next_; }

    /// Calls `visit(const Entry&)` for each kept event above `since` (0: all), oldest first. Returns whether there were
    /// others in between that are kept no more, or belong to an earlier daemon.
    template <class Visit>
    bool replay(std::uint64_t since, Visit&& visit) const {
        const std::uint64_t oldest = next_ - entries_.size();
        for (const Entry& entry : entries_) {
            if (entry.sequence > since) {
                visit(entry);
            }
        }
        return since == 0 ? dropped_ : since + 1 < oldest;
    }

 private:
    std::size_t capacity_;
    std::uint64_t next_;
    std::deque<Entry> entries_;
    bool dropped_{false};
};

void write_event(json::Writer& writer, const EventLog::Entry& entry);

}  // namespace chaos
