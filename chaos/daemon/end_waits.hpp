// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "chaos/daemon/client.hpp"
#include "chaos/daemon/ended.hpp"
#include "chaos/daemon/host.hpp"

namespace chaos {

/// Requests that are answered when a guest has ended.
class EndWaits {
 public:
    EndWaits(Clients& clients, Host& host) : clients_(clients), host_(host) {}

    void add(base::DomId domain, ClientId client, std::string request_id, std::chrono::milliseconds timeout);
    void on_end(const Ending& ending);
    void client_gone(ClientId client);
    void expire(Clock::time_point now);
    std::optional<Clock::time_point> deadline() const;

 private:
    struct Wait {
        base::DomId domain;
        ClientId client;
        std::string request_id;
        Clock::time_point deadline;
    };

    Clients& clients_;
    Host& host_;
    std::vector<Wait> waits_;
};

}  // namespace chaos
