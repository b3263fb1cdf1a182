// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "noxs/backend.hpp"

namespace noxs {

/// Which port a MAC address is behind. Addresses of vifs are known and stay; what is learned from frames is bounded, in
/// all and for each port, and forgotten after a while without a frame. `Place` needs a member `learned`.
template <class Place>
class MacTable {
 public:
    static constexpr std::size_t most_learned = 4096;
    static constexpr std::chrono::seconds forgotten_after{300};  ///< IEEE 802.1D, table 7-5

    /// The port, or null. Hot.
    Place* find(std::uint64_t mac, Clock::time_point now) const {
        const auto found = entries_.find(mac);
        return found == entries_.end() || stale(found->second, now) ? nullptr : found->second.place;
    }

    /// False: the address is pinned already.
    bool pin(std::uint64_t mac, Place& place) {
        if (const auto found = entries_.find(mac); found != entries_.end()) {
            if (found->second.pinned) {
                return false;
            }
            drop(found);
        }
        entries_.emplace(mac, Entry{&place, {}, true});
        return true;
    }

    /// A frame from `mac` came in at `place`. False: that address is pinned to another port. No room: it is not learned,
    /// and frames to it go the way of unknown ones. Hot.
    bool saw(std::uint64_t mac, Place& place, std::size_t most_of_place, Clock::time_point now) {
        const auto found = entries_.find(mac);
        if (found == entries_.end()) {
            learn(mac, place, most_of_place, now);
            return true;
        }
        Entry& entry = found->second;
        if (entry.pinned) {
            return entry.place == &place;
        }
        if (entry.place != &place) {
            drop(found);
            learn(mac, place, most_of_place, now);
            return true;
        }
        entry.seen = now;
        return true;
    }

    /// Forgets all that is behind `place`.
    void forget(const Place& place) {
        erase_if([&](const Entry& entry) { return entry.place == &place; });
    }

    std::size_t learned() const { return learned_; }

 private:
    struct Entry {
        Place* place;
        Clock::time_point seen;
        bool pinned;
    };
    using Entries = std::unordered_map<std::uint64_t, Entry>;

    static bool stale(const Entry& entry, Clock::time_point now) {
        return !entry.pinned && now - entry.seen > forgotten_after;
    }
    void learn(std::uint64_t mac, Place& place, std::size_t most_of_place, Clock::time_point now) {
        if ((learned_ >= most_learned || place.learned >= most_of_place) && !sweep(now)) {
            return;
        }
        if (learned_ < most_learned && place.learned < most_of_place) {
            entries_.emplace(mac, Entry{&place, now, false});
            ++learned_;
            ++place.learned;
        }
    }
    /// At most once a second, so that a flood of addresses does not buy a walk each.
    bool sweep(Clock::time_point now) {
        if (now - swept_ < std::chrono::seconds(1)) {
            return false;
        }
        swept_ = now;
        erase_if([&](const Entry& entry) { return stale(entry, now); });
        return true;
    }
    void drop(typename Entries::iterator at) {
        --at->second.place->learned;
        --learned_;
        entries_.erase(at);
    }
    template <class Which>
    void erase_if(Which which) {
        for (auto at = entries_.begin(); at != entries_.end();) {
            const auto next = std::next(at);
            if (which(at->second)) {
                at->second.pinned ? static_cast<void>(entries_.erase(at)) : drop(at);
            }
            at = next;
        }
    }

    Entries entries_;
    std::size_t learned_{0};
    Clock::time_point swept_{};
};

}  // namespace noxs
