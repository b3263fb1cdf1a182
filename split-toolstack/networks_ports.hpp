// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "noxs/forward/forwarder.hpp"
#include "split-toolstack/networks.hpp"

namespace split {

/// The published ports of one network, and the chaos-forward behind them: it runs while there is one.
class NetworkPorts {
 public:
    /// `address`: chaos-forward's own on the network. `watch`: an epoll descriptor that tells of its death.
    NetworkPorts(std::string network, noxs::Ipv4Net address, const std::string& state_dir, noxs::DataPlane& plane,
                 int watch);

    const std::vector<Forward>& all() const { return ports_; }
    std::vector<Forward>& all() { return ports_; }
    const Forward* find(noxs::Ipv4 listen, std::uint16_t host_port) const;

    /// Returns it with its host_port. Errors: as of Forwarder.
    Result<Forward> add(Forward forward);
    void remove(noxs::Ipv4 listen, std::uint16_t host_port);

    /// Takes over a chaos-forward that an earlier daemon left, or starts one, and gives it these ports. Those that can't
    /// be published stay on the list.
    Result<void> restore(std::vector<Forward> ports);
    /// Ends it, whoever started it.
    void stop();

    /// Whether chaos-forward has died; then it is let go of.
    bool died();
    /// After a death: a new one, unless the last one lived for a moment only.
    Result<void> revive();

 private:
    Result<void> start();
    Result<void> publish_all();

    std::string network_;
    noxs::ForwarderSettings settings_;
    noxs::DataPlane& plane_;
    int watch_;
    std::vector<Forward> ports_;
    std::optional<noxs::Forwarder> forwarder_;
    std::chrono::steady_clock::time_point started_;
};

}  // namespace split
