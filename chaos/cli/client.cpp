// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/client.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "chaos/json/parse.hpp"
#include "chaos/rpc/message.hpp"
#include "chaos/rpc/unix_address.hpp"

namespace chaos::cli {

namespace {

constexpr std::size_t longest_reply = std::size_t{256} << 20;
constexpr std::size_t read_size = std::size_t{64} << 10;
constexpr std::string_view hello_id = "\"hello\"";

base::Result<void> check_hello(const json::Value& reply) {
    const json::Value* result = reply.find("result");
    const json::Value* api = result == nullptr ? nullptr : result->find("api");
    const auto version = api == nullptr ? std::nullopt : api->as_unsigned();
    if (version && *version != rpc::api_version) {
        return base::fail(base::Code::version_mismatch, "the daemon serves API version " + std::to_string(*version) +
                                                            ", this chaos speaks version " +
                                                            std::to_string(rpc::api_version));
    }
    return {};
}

bool is_hello(const json::Value& message) {
    const json::Value* id = message.find("id");
    return id != nullptr && id->as_string() == "hello";
}

}  // namespace

base::Code code_from_name(std::string_view name) {
    for (int code = 0; code <= static_cast<int>(base::Code::internal); ++code) {
        if (base::code_name(static_cast<base::Code>(code)) == name) {
            return static_cast<base::Code>(code);
        }
    }
    return base::Code::internal;
}

base::Result<void> check_reply(const json::Value& reply) {
    const json::Value* error = reply.find("error");
    if (error == nullptr) {
        return {};
    }
    const json::Value* message = error->find("message");
    const json::Value* data = error->find("data");
    const json::Value* code = data == nullptr ? nullptr : data->find("code");
    std::string_view text = message == nullptr ? "the daemon failed" : std::string_view(message->text);
    constexpr std::string_view params = "params: ";  // a person has given arguments
    text.remove_prefix(text.starts_with(params) ? params.size() : 0);
    return base::fail(code == nullptr ? base::Code::internal : code_from_name(code->as_string()), std::string(text));
}

Client::Client(base::Fd socket) : socket_(std::move(socket)), input_(longest_reply) {}

base::Result<Client> Client::connect(const std::string& socket) {
    BASE_ASSIGN(const sockaddr_un address, rpc::unix_address(socket));
    base::Fd connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!connection) {
        return base::fail_errno(errno, "socket");
    }
    if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        if (error == ENOENT || error == ECONNREFUSED) {
            return base::fail(base::Code::unavailable, "no chaosd is listening on '" + socket + "'");
        }
        return base::fail_errno(error, "cannot connect to '" + socket + "'");
    }
    return Client(std::move(connection));
}

base::Result<void> Client::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return base::fail_errno(errno, "the daemon is gone");
        }
        bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
    return {};
}

base::Result<void> Client::send(std::string_view method, std::string_view params) {
    std::string lines;
    if (!std::exchange(said_hello_, true)) {
        lines.append(R"({"jsonrpc":"2.0","id":)").append(hello_id).append(R"(,"method":"hello","params":{"api":)");
        lines.append(std::to_string(rpc::api_version)).append("}}\n");
    }
    lines.append(R"({"jsonrpc":"2.0","id":)").append(std::to_string(++last_id_)).append(R"(,"method":")");
    lines.append(method).append(R"(","params":)").append(params).append("}\n");
    return write(lines);
}

base::Result<json::Value> Client::next(Wait wait) {
    while (true) {
        if (const auto line = input_.next()) {
            auto message = json::parse(*line, json::Comments::rejected);
            if (!message) {
                return base::fail(base::Code::protocol_error, "the daemon sent no JSON: " + message.error().message);
            }
            if (is_hello(*message)) {
                BASE_TRY(check_hello(*message));
                continue;
            }
            return *std::move(message);
        }
        char buffer[read_size];
        const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, wait == Wait::no ? MSG_DONTWAIT : 0);
        if (got == 0) {
            return base::fail(base::Code::unavailable, "the daemon closed the connection");
        }
        if (got > 0) {
            input_.append({buffer, static_cast<std::size_t>(got)});
        } else if (errno != EINTR) {
            return base::fail_errno(errno, "the daemon is gone");
        }
    }
}

base::Result<base::Fd> Client::process() const {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return base::fail_errno(errno, "SO_PEERCRED");
    }
    base::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
    return process ? base::Result<base::Fd>(std::move(process)) : base::fail_errno(errno, "pidfd_open");
}

bool Client::is_nothing(const base::Error& error) {
    return error.sys_errno == EAGAIN;
}

base::Result<json::Value> Client::call(std::string_view method, std::string_view params,
                                       const OnNotification& on_notification) {
    BASE_TRY(send(method, params));
    while (true) {
        BASE_ASSIGN(json::Value message, next(Wait::yes));
        const json::Value* name = message.find("method");
        if (name != nullptr) {
            const json::Value* parameters = message.find("params");
            if (on_notification && parameters != nullptr) {
                on_notification(name->text, *parameters);
            }
            continue;
        }
        const json::Value* id = message.find("id");
        const auto number = id == nullptr ? std::nullopt : id->as_unsigned();
        const bool refused = id != nullptr && id->is(json::Type::null);  // before it read our request
        if (!refused && number != last_id_) {
            continue;
        }
        BASE_TRY(check_reply(message));
        for (json::Value& member : message.children) {
            if (member.key == "result") {
                return std::move(member);
            }
        }
        return base::fail(base::Code::protocol_error, "the daemon's reply has no result");
    }
}

}  // namespace chaos::cli
