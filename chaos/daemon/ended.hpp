// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "chaos/json/writer.hpp"
#include "split-toolstack/toolstack.hpp"

namespace chaos {

/// How a guest ended.
struct Ending {
    base::DomId id;
    std::string name;
    std::string reason;  ///< name of the event: "shutdown", "crashed", "destroyed", "lost"
    std::string how;     ///< in words
    int exit_code{0};
    base::Code why{base::Code::guest_died};  ///< split::Event::why

    void write_members(json::Writer& writer) const {
        writer.member("reason", reason).member("how", how).member("exit_code", exit_code);
    }
};

/// The last guests that ended: their consoles can still be read for a while (split::Toolstack::console_log).
class EndedGuests {
 public:
    static constexpr std::size_t kept = 64;

    void add(Ending ending) {
        if (endings_.size() == kept) {
            endings_.pop_front();
        }
        endings_.push_back(std::move(ending));
    }
    /// The latest of this name or id; nullptr: none is known.
    const Ending* find(std::string_view name) const {
        return find_if([&](const Ending& ending) { return ending.name == name; });
    }
    const Ending* find(base::DomId id) const {
        return find_if([&](const Ending& ending) { return ending.id == id; });
    }

 private:
    template <class Match>
    const Ending* find_if(Match match) const {
        for (auto ending = endings_.rbegin(); ending != endings_.rend(); ++ending) {
            if (match(*ending)) {
                return &*ending;
            }
        }
        return nullptr;
    }

    std::deque<Ending> endings_;
};

}  // namespace chaos
