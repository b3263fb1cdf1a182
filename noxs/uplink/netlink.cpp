// SPDX-License-Identifier: Apache-2.0
#include "noxs/uplink/netlink.hpp"

#include <netlink/errno.h>

#include <string>

namespace noxs {

Result<NetlinkSocket> open_netlink(int family) {
    NetlinkSocket socket(::nl_socket_alloc());
    if (!socket) {
        return base::fail(base::Code::no_memory, "netlink: no memory");
    }
    if (const int status = ::nl_connect(socket.get(), family); status < 0) {
        return netlink_error(status, "netlink");
    }
    return socket;
}

std::unexpected<base::Error> netlink_error(int status, std::string_view what) {
    base::Code code = base::Code::io_error;
    switch (-status) {
        case NLE_PERM:
        case NLE_NOACCESS: code = base::Code::permission_denied; break;
        case NLE_NOMEM: code = base::Code::no_memory; break;
        case NLE_EXIST: code = base::Code::name_in_use; break;
        case NLE_NODEV:
        case NLE_OBJ_NOTFOUND: code = base::Code::not_found; break;
        case NLE_OPNOTSUPP:
        case NLE_PROTO_MISMATCH:
        case NLE_AF_NOSUPPORT: code = base::Code::unsupported; break;
        default: break;
    }
    return base::fail(code, std::string(what) + ": " + ::nl_geterror(status));
}

}  // namespace noxs
