// SPDX-License-Identifier: Apache-2.0
#include "noxs/uplink/host_link.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "base/fd.hpp"

namespace noxs {

namespace {

constexpr const char* our_alias = "network of chaosd";

bool is_kind(rtnl_link* link, std::string_view kind) {
    const char* found = ::rtnl_link_get_type(link);
    return found != nullptr && found == kind;
}

/// No guest is this host's router, and a host that looks for one (RFC 4861, 6.3.7) wakes all of them with each
/// solicitation. A kernel without IPv6 has no such setting; a /proc/sys that can't be written leaves only the wake-ups, as
/// the switch passes no advertisements on.
void ignore_routers(const std::string& name) {
    const base::Fd file(::open(("/proc/sys/net/ipv6/conf/" + name + "/accept_ra").c_str(), O_WRONLY | O_CLOEXEC));
    if (file) {
        static_cast<void>(::write(file.get(), "0", 1));
    }
}

}  // namespace

Result<HostLinks> HostLinks::open() {
    BASE_ASSIGN(auto socket, open_netlink(NETLINK_ROUTE));
    return HostLinks(std::move(socket));
}

Result<RouteLink> HostLinks::find(const std::string& name) {
    rtnl_link* found = nullptr;
    const int status = ::rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &found);
    RouteLink link(found);
    if (status == -NLE_OBJ_NOTFOUND || status == -NLE_NODEV) {
        return RouteLink();
    }
    if (status < 0) {
        return netlink_error(status, "network device '" + name + "'");
    }
    return link;
}

Result<LinkOwner> HostLinks::owner(const std::string& name) {
    BASE_ASSIGN(const auto link, find(name));
    if (!link) {
        return LinkOwner::nobody;
    }
    const char* alias = ::rtnl_link_get_ifalias(link.get());
    const bool ours = is_kind(link.get(), "tun") && alias != nullptr && std::strcmp(alias, our_alias) == 0;
    return ours ? LinkOwner::us : LinkOwner::others;
}

Result<void> HostLinks::change(rtnl_link* from, rtnl_link* to, const std::string& name) {
    if (const int status = ::rtnl_link_change(socket_.get(), from, to, 0); status < 0) {
        return netlink_error(status, "network device '" + name + "'");
    }
    return {};
}

Result<void> HostLinks::claim(const std::string& name) {
    BASE_ASSIGN(const auto link, find(name));
    const RouteLink wanted(::rtnl_link_alloc());
    if (!link || !wanted) {
        return base::fail(base::Code::not_found, "network device '" + name + "' is gone");
    }
    ::rtnl_link_set_ifalias(wanted.get(), our_alias);
    return change(link.get(), wanted.get(), name);
}

Result<int> HostLinks::bridge_index(const std::string& name) {
    BASE_ASSIGN(const auto link, find(name));
    if (!link || !is_kind(link.get(), "bridge")) {
        return base::fail(base::Code::not_found,
                          "no bridge named '" + name + "' on this host; `ip link show type bridge` lists them");
    }
    return ::rtnl_link_get_ifindex(link.get());
}

Result<void> HostLinks::set_up(const TapSettings& settings) {
    BASE_ASSIGN(const auto link, find(settings.name));
    const RouteLink wanted(::rtnl_link_alloc());
    if (!link || !wanted) {
        return base::fail(base::Code::not_found, "network device '" + settings.name + "' is gone");
    }
    ::rtnl_link_set_mtu(wanted.get(), settings.mtu);
    ::rtnl_link_set_flags(wanted.get(), IFF_UP);
    if (!settings.bridge.empty()) {
        BASE_ASSIGN(const int bridge, bridge_index(settings.bridge));
        ::rtnl_link_set_master(wanted.get(), bridge);
    } else if (settings.address.address) {
        BASE_TRY(set_address(::rtnl_link_get_ifindex(link.get()), settings));
    }
    ignore_routers(settings.name);
    return change(link.get(), wanted.get(), settings.name);
}

Result<void> HostLinks::set_address(int index, const TapSettings& settings) {
    const auto& bytes = settings.address.address.bytes;
    const NetlinkAddress local(::nl_addr_build(AF_INET, bytes.data(), bytes.size()));
    const RouteAddress address(::rtnl_addr_alloc());
    if (!local || !address) {
        return base::fail(base::Code::no_memory, "network device '" + settings.name + "': no memory");
    }
    ::nl_addr_set_prefixlen(local.get(), settings.address.prefix);
    ::rtnl_addr_set_ifindex(address.get(), index);
    ::rtnl_addr_set_local(address.get(), local.get());
    const int status = ::rtnl_addr_add(socket_.get(), address.get(), 0);
    if (status < 0 && status != -NLE_EXIST) {
        return netlink_error(status, "address " + text_of(settings.address) + " of '" + settings.name + "'");
    }
    return {};
}

Result<void> HostLinks::remove(const std::string& name) {
    BASE_ASSIGN(const auto link, find(name));
    if (link) {
        if (const int status = ::rtnl_link_delete(socket_.get(), link.get()); status < 0 && status != -NLE_NODEV) {
            return netlink_error(status, "removing the network device '" + name + "'");
        }
    }
    return {};
}

}  // namespace noxs
