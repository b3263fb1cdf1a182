// SPDX-License-Identifier: Apache-2.0
// The host's view of a tap device: its address, its bridge, whether it is up. Through rtnetlink.
#pragma once

#include <optional>
#include <string>

#include "noxs/uplink/netlink.hpp"
#include "noxs/uplink/tap.hpp"

namespace noxs {

/// What a name of a network device stands for.
enum class LinkOwner : std::uint8_t { nobody, us, others };

class HostLinks {
 public:
    static Result<HostLinks> open();

    /// A device is ours when it is a tap that `claim` marked.
    Result<LinkOwner> owner(const std::string& name);
    /// Marks a tap as made by us, in its alias (`ip link` shows it).
    Result<void> claim(const std::string& name);
    /// Address, MTU, bridge, up. What is right already stays as it is.
    Result<void> set_up(const TapSettings& settings);
    Result<void> remove(const std::string& name);

 private:
    explicit HostLinks(NetlinkSocket socket) : socket_(std::move(socket)) {}
    /// Null: there is none.
    Result<RouteLink> find(const std::string& name);
    Result<int> bridge_index(const std::string& name);
    Result<void> change(rtnl_link* from, rtnl_link* to, const std::string& name);
    Result<void> set_address(int index, const TapSettings& settings);

    NetlinkSocket socket_;
};

}  // namespace noxs
