// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "chaos/json/value.hpp"
#include "chaos/rpc/line_buffer.hpp"

namespace chaos::cli {

/// A blocking connection to chaosd.
class Client {
 public:
    /// Connects; code `unavailable` when nobody listens there.
    static base::Result<Client> connect(const std::string& socket);

    /// Called for each notification that comes in while a reply is awaited.
    using OnNotification = std::function<void(const std::string& method, const json::Value& params)>;

    /// Sends a request, `params` being a JSON object, and waits for its reply. The first request takes along what
    /// makes a daemon of another version refuse it.
    base::Result<json::Value> call(std::string_view method, std::string_view params,
                                   const OnNotification& on_notification = {});

    /// Sends a request without waiting; its reply comes through next().
    base::Result<void> send(std::string_view method, std::string_view params);

    /// A message that came in, or nothing: with `wait` false when there is none at the moment. `unavailable`: the
    /// daemon has closed the connection.
    enum class Wait { no, yes };
    base::Result<json::Value> next(Wait wait);
    /// True when next(Wait::no) said that nothing is there.
    static bool is_nothing(const base::Error& error);

    /// A descriptor that becomes readable when the daemon's process is gone.
    base::Result<base::Fd> process() const;

    int descriptor() const { return socket_.get(); }

 private:
    explicit Client(base::Fd socket);
    base::Result<void> write(std::string_view bytes);

    base::Fd socket_;
    rpc::LineBuffer input_;
    std::uint64_t last_id_{0};
    bool said_hello_{false};
};

/// The error of a reply: code and message as the daemon gave them. Good replies: nothing.
base::Result<void> check_reply(const json::Value& reply);

/// The code of this stable name; `internal` when there is none.
base::Code code_from_name(std::string_view name);

}  // namespace chaos::cli
