// SPDX-License-Identifier: Apache-2.0
// The published ports, and the guests behind them.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "noxs/forward/helper/guest_stack.hpp"
#include "noxs/forward/protocol.hpp"

namespace noxs::forward {

class Ports {
 public:
    Ports(const Ipv4Net& address, SendFrame send) : address_(address), send_(std::move(send)) {}

    /// Errno on failure, else 0; chooses port.host_port if it is 0.
    int add(Port& port);
    int remove(const Port& port);
    /// Nothing behind the last one.
    std::optional<Port> at(std::size_t index) const;
    bool empty() const { return ports_.empty(); }

    /// A frame from the switch; changed where its checksum is still to be filled in. Those that are for no guest's stack
    /// are dropped.
    void input(const FrameHeader& header, std::span<std::byte> frame);

    void fill(std::vector<pollfd>& polls, std::uint32_t& timeout_ms);
    void work(const std::vector<pollfd>& polls, bool failed);

 private:
    /// Whether a socket can be bound there; chooses the port if it is 0. Errno, or 0.
    static int probe(Port& port);

    Ipv4Net address_;
    SendFrame send_;
    std::vector<Port> ports_;
    std::map<Ipv4, std::unique_ptr<GuestStack>> stacks_;
};

}  // namespace noxs::forward
