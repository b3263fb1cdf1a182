// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <array>
#include <cstddef>
#include <vector>

#include "base/fd.hpp"
#include "noxs/forward/helper/ports.hpp"

namespace noxs::forward {

/// chaos-forward after its start: chaosd's connections, and the ports.
class Server {
 public:
    Server(base::Fd listener, const Ipv4Net& address);

    /// Until it is told to stop, or nobody is connected and no port is left.
    void run();

 private:
    struct Connection {
        base::Fd socket;
        bool greeted{false};
        bool over{false};
    };
    bool needed() const { return !stopped_ && (!greeted_ || !connections_.empty() || !ports_.empty()); }
    int wait();
    void accept();
    void serve(Connection& connection);
    void greet(Connection& connection, const Hello& hello);
    Reply answer(const Request& request);
    void receive_frames();
    void send_frame(std::span<const std::byte> frame);

    base::Fd listener_;
    Ipv4Net address_;
    Ports ports_;
    base::Fd frames_;
    std::vector<Connection> connections_;
    std::vector<pollfd> polls_;
    std::size_t most_polls_;
    bool greeted_{false};
    bool stopped_{false};
    bool unsent_{false};  ///< libslirp may have packets that waited for what just came (ARP): don't sleep on them
    std::array<std::byte, sizeof(FrameHeader) + max_frame> buffer_;
};

}  // namespace noxs::forward
