// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace bench {

/// A connection to chaosd that costs as little as it can: text in, text out, no document model. Blocking.
class Client {
 public:
    static base::Result<Client> connect(const std::string& socket_path);

    int fd() const { return fd_.get(); }

    /// Sends one request; `params` is a JSON object.
    base::Result<void> send(std::string_view method, std::string_view params);
    /// The next line. Valid until the next call.
    base::Result<std::string_view> receive();
    /// Request and reply. A JSON-RPC error becomes an Error with the reply as its message.
    base::Result<std::string_view> call(std::string_view method, std::string_view params);

 private:
    explicit Client(base::Fd fd) : fd_(std::move(fd)) {}
    base::Fd fd_;
    std::string out_, in_;
    std::size_t consumed_{0};
    std::uint64_t next_id_{1};
};

/// An error when `reply` is a JSON-RPC error object.
base::Result<void> check_reply(std::string_view reply);

/// The first number (true and false count as 1 and 0) behind `"key":` in `reply`.
std::optional<double> number_in(std::string_view reply, std::string_view key);

/// The first string behind `"key":` in `reply`, as it stands there; empty when there is none.
std::string_view text_in(std::string_view reply, std::string_view key);

}  // namespace bench
