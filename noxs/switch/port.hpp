// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace noxs {

/// An Ethernet frame on its way through a switch: this process's own copy, never shared memory.
struct Frame {
    std::span<const std::byte> bytes;  ///< from the destination address on, without FCS
    /// Where the TCP or UDP checksum is still to be filled in (it holds the pseudo-header's sum): it covers the bytes
    /// from `checksum_start`, and stands `checksum_offset` behind that. 0: the frame is complete.
    std::uint16_t checksum_start{0};
    std::uint16_t checksum_offset{0};
};

/// Named numbers for `chaos info` and metrics.
using Counters = std::vector<std::pair<std::string, std::uint64_t>>;

/// What is plugged into a switch: a guest's vif, an uplink. Data plane thread only.
class SwitchPort {
 public:
    virtual ~SwitchPort() = default;
    /// Takes a copy of the frame; false: no room, it is dropped. Tells nobody before `flush`. Hot.
    virtual bool deliver(const Frame& frame) = 0;
    /// The end of a batch of `deliver`s: whoever waits for them is woken. Hot.
    virtual void flush() = 0;
    virtual Counters counters() const = 0;
};

}  // namespace noxs
