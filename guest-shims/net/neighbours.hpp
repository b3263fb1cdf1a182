// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "guest-shims/net/packet.hpp"
#include "guest-shims/platform/platform.hpp"

namespace guest {

/// Who has which address on one side of a router, learned from ARP. A table of fixed size: a neighbour whose place is
/// taken by another one is asked for again.
class Neighbours {
 public:
    enum class Known : std::uint8_t {
        no,
        yes,
        ask_again,  ///< use it, and ask: it may have changed
    };
    /// Hot.
    Known find(std::uint32_t address, Nanoseconds now, Mac& mac) const;
    void learn(std::uint32_t address, const Mac& mac, Nanoseconds now);

 private:
    static constexpr std::uint64_t fresh = 60 * ns_per_second;
    static constexpr std::uint64_t usable = 120 * ns_per_second;

    struct Entry {
        std::uint32_t address;
        Mac mac;
        std::uint64_t since;
    };
    static constexpr std::size_t places = 1024;
    static std::size_t place_of(std::uint32_t address) { return (address ^ address >> 10) % places; }

    std::array<Entry, places> entries_{};
};

}  // namespace guest
