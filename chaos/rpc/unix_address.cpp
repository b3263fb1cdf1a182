// SPDX-License-Identifier: Apache-2.0
#include "chaos/rpc/unix_address.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <string>

namespace chaos::rpc {

base::Result<sockaddr_un> unix_address(std::string_view path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return base::fail(base::Code::invalid_argument,
                          "the socket path '" + std::string(path) + "' has " + std::to_string(path.size()) +
                              " characters; expected 1 to " + std::to_string(sizeof address.sun_path - 1));
    }
    std::copy(path.begin(), path.end(), address.sun_path);
    return address;
}

}  // namespace chaos::rpc
