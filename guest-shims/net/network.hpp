// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "guest-shims/frontends/system.hpp"
#include "guest-shims/frontends/vif.hpp"
#include "guest-shims/net/timers.hpp"
#include "lwip/netif.h"

namespace guest {

/// lwIP over the guest's first vif, with the address that the toolstack gave it. Works whenever the guest sleeps
/// (System::wait): what the guest hangs into lwIP (tcp_new, udp_new ...) is called from there. Follows a vif that is
/// attached later, detached or given another address. Only one may exist, and it stays.
class Network final : public Service {
 public:
    explicit Network(System& system, Vif::Pools pools = {});
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    /// There is a vif with an address.
    bool up() const { return netif_is_link_up(&netif_) != 0; }
    const VifAddress& address() const { return vif_.address(); }
    const VifCounters& counters() const { return vif_.counters(); }

    bool work(std::optional<Nanoseconds>& timeout) override;

 private:
    struct Lent;  // a buffer of the vif that lwIP holds

    static err_t init(netif* interface);
    static err_t transmit(netif* interface, pbuf* frame);
    static void release(pbuf* frame);

    void follow_vif();
    void input(const Vif::Received& frame);
    pbuf* wrap(const Vif::Received& frame);

    System& system_;
    Vif vif_;
    netif netif_{};
    NetTimers timers_;
    std::span<Lent> lent_;
    std::uint32_t lent_count_{0};
    bool starved_{false};  ///< lwIP had a frame and the vif no room
    bool sent_{false};
};

}  // namespace guest
