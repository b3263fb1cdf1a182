// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "noxs/back_ring.hpp"
#include "noxs/backends/vif_rx.hpp"
#include "noxs/backends/vif_tx.hpp"
#include "noxs/plane/device.hpp"
#include "noxs/switch/switch.hpp"
#include "noxs/switch/token_bucket.hpp"
#include "noxs/wire/netif.hpp"

namespace noxs {

/// The backend of one vif: one queue of Xen's netif, plugged into a switch.
class VifBackend final : public DataDevice, public SwitchPort {
 public:
    /// `network` and `scratch` outlive it. `begin` stops it when the switch does not take it.
    VifBackend(DeviceParams params, const VifSettings& settings, Switch* network, VifScratch& scratch);
    ~VifBackend() override;

    void plug();

    bool deliver(const Frame& frame) override;
    void flush() override;
    Counters counters() const override;

 private:
    Result<void> connect() override;
    void disconnect() override;
    Turn serve(Clock::time_point now) override;
    bool arm_rings() override;
    bool saw_rx_posts();

    VifScratch* scratch_;
    Switch* network_;
    Switch::Place* place_{nullptr};
    Station station_;
    std::string network_name_;
    std::size_t most_bytes_;
    std::unique_ptr<TokenBucket> rate_;  // null: no limit
    VifTx tx_;
    VifRx rx_;
    std::uint32_t rx_seen_{0};
};

}  // namespace noxs
