// SPDX-License-Identifier: Apache-2.0
// Owners for the objects of libnl, and its errors as ours.
#pragma once

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>

#include <memory>
#include <string_view>

#include "base/result.hpp"

namespace noxs {

using base::Result;

template <auto release>
struct NetlinkRelease {
    template <class T>
    void operator()(T* object) const {
        release(object);
    }
};
using NetlinkSocket = std::unique_ptr<nl_sock, NetlinkRelease<nl_socket_free>>;
using NetlinkMessage = std::unique_ptr<nl_msg, NetlinkRelease<nlmsg_free>>;
using NetlinkAddress = std::unique_ptr<nl_addr, NetlinkRelease<nl_addr_put>>;
using RouteLink = std::unique_ptr<rtnl_link, NetlinkRelease<rtnl_link_put>>;
using RouteAddress = std::unique_ptr<rtnl_addr, NetlinkRelease<rtnl_addr_put>>;

/// `family`: NETLINK_ROUTE, NETLINK_NETFILTER.
Result<NetlinkSocket> open_netlink(int family);

/// The error behind a negative return value of libnl: "`what`: ...".
std::unexpected<base::Error> netlink_error(int status, std::string_view what);

}  // namespace noxs
