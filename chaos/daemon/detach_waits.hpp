// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chaos/daemon/client.hpp"
#include "split-toolstack/toolstack.hpp"

namespace chaos {

/// Requests that are answered when a guest's device is gone. The toolstack sees to it that this comes.
class DetachWaits {
 public:
    explicit DetachWaits(Clients& clients) : clients_(clients) {}

    /// Before a detach that may be done at once is asked for.
    void begin() { done_.clear(); }
    void add(base::DomId domain, noxs::wire::DeviceType type, std::uint32_t device, ClientId client,
             std::string request_id);
    void on_detached(const split::Event& event);
    /// The domain is no more, and its devices with it.
    void on_end(base::DomId domain);
    void client_gone(ClientId client);

 private:
    struct Wait {
        base::DomId domain;
        noxs::wire::DeviceType type;
        std::uint32_t device;
        ClientId client;
        std::string request_id;
    };
    bool answer(const Wait& wait, const split::Event& event);

    Clients& clients_;
    std::vector<Wait> waits_;
    std::vector<split::Event> done_;  // since `begin`
};

}  // namespace chaos
