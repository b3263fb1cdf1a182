// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "base/ids.hpp"
#include "split-toolstack/toolstack.hpp"

namespace split {

/// The consoles of the last domains that ended, each cut to its newest bytes.
class KeptConsoles {
 public:
    static constexpr std::size_t most = 64;
    static constexpr std::size_t max_bytes = 64 << 10;

    void keep(base::DomId id, Toolstack::ConsoleText text) {
        if (text.bytes.size() > max_bytes) {
            const std::size_t cut = text.bytes.size() - max_bytes;
            text.bytes.erase(0, cut);
            text.offset += cut;
        }
        if (kept_.size() == most) {
            kept_.pop_back();
        }
        kept_.emplace_front(id, std::move(text));
    }

    /// Of the last domain that had this id; null: none kept.
    const Toolstack::ConsoleText* find(base::DomId id) const {
        for (const auto& [kept_id, text] : kept_) {
            if (kept_id == id) {
                return &text;
            }
        }
        return nullptr;
    }

 private:
    std::deque<std::pair<base::DomId, Toolstack::ConsoleText>> kept_;
};

}  // namespace split
