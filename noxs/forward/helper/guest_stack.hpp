// SPDX-License-Identifier: Apache-2.0
// libslirp for one guest: TCP connections of the host's side become packets of the guest's network, and back.
#pragma once

#include <poll.h>
#include <slirp/libslirp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "noxs/net_address.hpp"

namespace noxs::forward {

using base::Result;

/// Sends a complete Ethernet frame to the switch.
using SendFrame = std::function<void(std::span<const std::byte>)>;

/// Takes the sockets that listen out of a wait: their clients wait in their backlogs.
void ignore_new_clients(std::span<pollfd> polls);

/// One a guest: libslirp remembers the MAC addresses of 16 neighbours only, and one guest's nonsense reaches no other
/// guest's connections. The guest can't connect to anything through it (SlirpConfig::restricted).
class GuestStack {
 public:
    /// `address`: our own on the guests' network.
    static Result<std::unique_ptr<GuestStack>> open(const Ipv4Net& address, Ipv4 guest, const SendFrame& send);

    /// What failed is in errno's words. host_port is not 0.
    Result<void> listen(Ipv4 listen, std::uint16_t host_port, std::uint16_t guest_port);
    void close(Ipv4 listen, std::uint16_t host_port);

    /// A frame that the guest sent to us.
    void input(std::span<const std::byte> frame);

    /// Adds what is to be waited for to `polls`, and shortens `timeout_ms`. With most_clients no more are taken.
    void fill(std::vector<pollfd>& polls, std::uint32_t& timeout_ms);
    /// After the wait: works on what `polls` found.
    void work(const std::vector<pollfd>& polls, bool failed);

 private:
    static constexpr std::size_t most_clients = 4096;  ///< half a MiB of buffers each, at most
    struct Release {
        void operator()(Slirp* slirp) const { ::slirp_cleanup(slirp); }
    };
    GuestStack(Ipv4 guest, const SendFrame& send) : guest_(guest), send_(send) {}
    static const SlirpCb callbacks;

    Ipv4 guest_;
    const SendFrame& send_;
    std::unique_ptr<Slirp, Release> slirp_;
};

}  // namespace noxs::forward
