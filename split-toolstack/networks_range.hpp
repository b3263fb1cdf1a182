// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "noxs/net_address.hpp"

namespace split {

/// The addresses of one network, one bit each. Finding the lowest free one costs no more than what was given back since.
class AddressRange {
 public:
    static constexpr unsigned shortest_prefix = 8, longest_prefix = 29;

    /// `net`: the gateway's address, and a prefix between those two.
    explicit AddressRange(const noxs::Ipv4Net& net);

    const noxs::Ipv4Net& net() const { return net_; }
    /// Of the process that publishes ports: the last one that is not the gateway's.
    noxs::Ipv4 forwarder() const;
    /// The network's own address, broadcast, the gateway's, the forwarder's: no guest's.
    bool reserved(noxs::Ipv4 address) const;
    bool free(noxs::Ipv4 address) const;
    std::optional<noxs::Ipv4> lowest_free();

    void take(noxs::Ipv4 address);
    void give_back(noxs::Ipv4 address);

 private:
    static constexpr std::uint32_t word_bits = 64;
    std::uint32_t index_of(noxs::Ipv4 address) const { return address.number() & ~net_.mask(); }
    std::uint32_t last() const { return ~net_.mask(); }

    noxs::Ipv4Net net_;
    std::vector<std::uint64_t> taken_;
    std::size_t first_{0};  ///< words before it are full
};

}  // namespace split
