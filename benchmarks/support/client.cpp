// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>

namespace bench {

base::Result<Client> Client::connect(const std::string& socket_path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path) {
        return base::fail(base::Code::invalid_argument, "socket path too long: " + socket_path);
    }
    socket_path.copy(address.sun_path, socket_path.size());
    base::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return base::fail_errno(errno, "connect to " + socket_path);
    }
    return Client(std::move(fd));
}

base::Result<void> Client::send(std::string_view method, std::string_view params) {
    out_.assign(R"({"jsonrpc":"2.0","id":)").append(std::to_string(next_id_++));
    out_.append(R"(,"method":")").append(method).append(R"(","params":)").append(params).append("}\n");
    for (std::size_t sent = 0; sent < out_.size();) {
        const ssize_t n = ::send(fd_.get(), out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return base::fail_errno(errno, "send");
        }
        sent += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    return {};
}

base::Result<std::string_view> Client::receive() {
    in_.erase(0, consumed_);
    consumed_ = 0;
    for (std::size_t looked = 0;;) {
        const std::size_t end = in_.find('\n', looked);
        if (end != std::string::npos) {
            consumed_ = end + 1;
            return std::string_view(in_).substr(0, end);
        }
        looked = in_.size();
        in_.resize(looked + 16384);
        const ssize_t n = ::recv(fd_.get(), in_.data() + looked, 16384, 0);
        in_.resize(looked + (n > 0 ? static_cast<std::size_t>(n) : 0));
        if (n == 0) {
            return base::fail(base::Code::unavailable, "chaosd closed the connection");
        }
        if (n < 0 && errno != EINTR) {
            return base::fail_errno(errno, "receive");
        }
    }
}

base::Result<std::string_view> Client::call(std::string_view method, std::string_view params) {
    BASE_TRY(send(method, params));
    BASE_ASSIGN(const std::string_view reply, receive());
    BASE_TRY(check_reply(reply));
    return reply;
}

base::Result<void> check_reply(std::string_view reply) {
    // Replies are rendered with "error" or "result" at the top; neither word starts a key of a launch's result.
    if (reply.find("\"error\":{") != std::string_view::npos) {
        return base::fail(base::Code::protocol_error, std::string(reply));
    }
    return {};
}

std::optional<double> number_in(std::string_view reply, std::string_view key) {
    const std::string quoted = '"' + std::string(key) + "\":";
    const std::size_t at = reply.find(quoted);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string value(reply.substr(at + quoted.size(), 32));
    const std::size_t start = value.find_first_not_of(' ');
    if (start == std::string::npos) {
        return std::nullopt;
    }
    if (value.compare(start, 4, "true") == 0 || value.compare(start, 5, "false") == 0) {
        return value[start] == 't' ? 1 : 0;
    }
    char* end = nullptr;
    const double number = std::strtod(value.c_str() + start, &end);
    return end == value.c_str() + start ? std::nullopt : std::optional(number);
}

std::string_view text_in(std::string_view reply, std::string_view key) {
    const std::string quoted = '"' + std::string(key) + "\":\"";
    const std::size_t at = reply.find(quoted);
    if (at == std::string_view::npos) {
        return {};
    }
    const std::string_view value = reply.substr(at + quoted.size());
    return value.substr(0, value.find('"'));
}

}  // namespace bench
