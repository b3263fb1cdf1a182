// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/fd.hpp"
#include "chaos/config/daemon_config.hpp"
#include "chaos/daemon/client.hpp"
#include "chaos/daemon/event_loop.hpp"
#include "chaos/rpc/line_buffer.hpp"

namespace chaos {

class Service;

/// A client behind a stream socket. Replies are written at once where the socket takes them.
class Connection final : public Client {
 public:
    /// `gone` is called once, from the event loop, when the connection is to be taken away.
    Connection(Service& service, EventLoop& loop, const Limits& limits, base::Fd socket, std::unique_ptr<Watch> watch,
               std::function<void(Connection&)> gone);
    ~Connection() override;

    void start();
    void send(std::string_view lines, rpc::Kind kind) override;

 private:
    void on_readable();
    void on_writable();
    void serve();
    void flush();
    void doom();
    void end_of_input();

    Service& service_;
    EventLoop& loop_;
    std::size_t request_limit_;
    base::Fd socket_;
    std::unique_ptr<Watch> watch_;  // before socket_ goes
    std::function<void(Connection&)> gone_;
    rpc::LineBuffer input_;
    rpc::OutputQueue output_;
    Clock::time_point received_;
    bool waits_for_writable_{false};
    bool stalled_{false};  // requests wait until replies were read
    bool serving_{false};
    bool refused_{false};  // the input can't be read on; the connection ends when its replies are out
    bool doomed_{false};
    std::shared_ptr<bool> alive_{std::make_shared<bool>(true)};
};

}  // namespace chaos
