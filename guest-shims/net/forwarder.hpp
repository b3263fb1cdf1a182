// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "guest-shims/frontends/gathering.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/frontends/vif.hpp"
#include "guest-shims/net/arp.hpp"
#include "guest-shims/net/neighbours.hpp"
#include "guest-shims/net/rules.hpp"

namespace guest {

struct ForwardCounters {
    std::uint64_t forwarded{0};
    std::uint64_t denied{0};       ///< by a rule
    std::uint64_t bad{0};          ///< no IPv4, a wrong header, a TTL that is over, too long
    std::uint64_t unreachable{0};  ///< no side has the network, or nobody answers ARP
    std::uint64_t no_room{0};      ///< the other side takes no more
};

/// Forwards IPv4 between the networks of two vifs: TTL, rules, ARP, a gateway if a side has one; answers pings to itself.
/// Knows nothing of lwIP, so that a packet of 64 bytes costs little. Works whenever the guest sleeps.
class Forwarder final : public Service {
 public:
    Forwarder(System& system, const Rules& rules, Vif::Pools pools);

    bool work(std::optional<Nanoseconds>& timeout) override;
    bool up() const { return sides_[0].vif.connected() && sides_[1].vif.connected(); }
    const ForwardCounters& counters() const { return counters_; }

 private:
    struct Side {
        Vif vif;
        Neighbours neighbours;
        std::uint32_t address;
        std::uint32_t mask;
        std::uint32_t gateway;
    };
    /// A packet whose next hop was asked for.
    struct Held {
        Side* from{nullptr};
        Side* to{nullptr};
        Vif::Received frame{};
        std::uint32_t hop{0};
        Nanoseconds since{};
    };

    void follow();
    bool receive(Side& side);
    bool handle(Side& side, const Vif::Received& frame);
    bool handle_ipv4(Side& side, const Vif::Received& frame);
    void handle_arp(Side& side, std::span<const std::byte> frame);
    void answer_ping(Side& side, std::span<std::byte> frame);
    Side* route(std::uint32_t destination, std::uint32_t& hop);
    bool forward(Side& from, Side& to, const Vif::Received& frame, std::uint32_t hop);
    void send(Side& to, const Vif::Received& frame, const Mac& mac);
    void hold(const Held& packet);
    void let_go(Held& held);
    void drop_old();
    void release_held(Side& side, std::uint32_t hop);
    void send_arp(Side& side, Arp::Operation operation, const Mac& to, std::uint32_t target);

    System& system_;
    const Rules& rules_;
    Side sides_[2];
    std::array<Held, 32> held_{};
    std::size_t next_held_{0};
    Gathering gathering_;
    ForwardCounters counters_;
    Nanoseconds now_{};
};

}  // namespace guest
