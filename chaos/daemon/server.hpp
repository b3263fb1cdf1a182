// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/fd.hpp"
#include "chaos/config/daemon_config.hpp"
#include "chaos/daemon/connection.hpp"
#include "chaos/daemon/event_loop.hpp"

namespace chaos {

/// The unix socket and its connections.
class Server {
 public:
    /// Binds `path` with mode 0600; a socket that a dead daemon left is replaced. The caller holds the InstanceLock.
    static base::Result<std::unique_ptr<Server>> listen(const std::string& path, EventLoop& loop, Service& service,
                                                        const Limits& limits);
    /// Removes the socket.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

 private:
    Server(std::string path, base::Fd socket, std::unique_ptr<Watch> watch, EventLoop& loop, Service& service,
           const Limits& limits);
    void arm();
    void accept_some();
    void refuse(base::Fd socket, std::string_view why);
    void add(base::Fd socket);
    void shed_one();

    std::string path_;
    base::Fd socket_;
    std::unique_ptr<Watch> watch_;
    EventLoop& loop_;
    Service& service_;
    const Limits& limits_;
    base::Fd spare_;  // given up for a moment to refuse a client when there are no descriptors left
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
};

}  // namespace chaos
