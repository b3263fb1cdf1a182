// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "chaos/daemon/client.hpp"
#include "chaos/daemon/ended.hpp"

namespace chaos {

/// Who watches which console.
class Consoles {
 public:
    explicit Consoles(Clients& clients) : clients_(clients) {}

    void attach(base::DomId domain, ClientId client);
    /// False: it was not attached.
    bool detach(base::DomId domain, ClientId client);
    void client_gone(ClientId client);

    void output(base::DomId domain, std::uint64_t offset, std::string_view bytes);
    /// To one client: what the guest wrote before it attached.
    void history(base::DomId domain, ClientId client, std::uint64_t offset, std::string_view bytes);
    /// Nothing more will come: tells everybody attached, and lets them go.
    void close(const Ending& ending, base::DomId successor = base::dom0);
    /// To one client that asks for a console that is closed already.
    void tell_closed(ClientId client, const Ending& ending, base::DomId successor = base::dom0);

 private:
    Clients& clients_;
    std::unordered_map<std::uint16_t, std::vector<ClientId>> attached_;
};

}  // namespace chaos
