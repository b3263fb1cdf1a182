// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "noxs/wire/console_ring.hpp"

namespace guest {

/// The guest's ends of a console ring. Keeps its own indices privately and checks the other side's at each use: a
/// backend that writes nonsense is reported, never followed.
class ConsoleRingFrontend {
 public:
    explicit ConsoleRingFrontend(noxs::wire::ConsoleRing& ring) : ring_(ring) {}

    /// Puts as much of `text` as fits and publishes it; returns how much, or nothing where the ring is broken.
    std::optional<std::size_t> write(std::string_view text);

    /// Takes what input there is, up to the size of `out`; returns how much, or nothing where the ring is broken.
    std::optional<std::size_t> read(std::span<char> out);

    noxs::wire::ConsoleRing& ring() { return ring_; }

 private:
    noxs::wire::ConsoleRing& ring_;
    std::uint32_t out_prod_{0};
    std::uint32_t in_cons_{0};
};

}  // namespace guest
