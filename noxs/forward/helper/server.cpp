// SPDX-License-Identifier: Apache-2.0
#include "noxs/forward/helper/server.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "noxs/forward/frame_socket.hpp"

namespace noxs::forward {

namespace {

constexpr std::size_t most_connections = 16;
constexpr std::size_t frames_a_turn = 256;
/// How long the daemon that started us may take to say hello.
constexpr std::uint32_t first_hello_ms = 30'000;
/// How long a frame waits for room before it is dropped: libslirp sends it again, but only after half a second.
constexpr int room_ms = 20;
/// Places in `polls_`: the listener, the frames, then chaosd's connections, then libslirp's.
constexpr std::size_t listener_at = 0, frames_at = 1, connections_at = 2;

template <class Message>
bool send(int socket, const Message& message) {
    return ::send(socket, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof message;
}

std::size_t descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 64 ? limit.rlim_cur - 64 : 1;
}

}  // namespace

Server::Server(base::Fd listener, const Ipv4Net& address)
    : listener_(std::move(listener)),
      address_(address),
      ports_(address, [this](std::span<const std::byte> frame) { send_frame(frame); }),
      most_polls_(descriptor_limit()) {}

void Server::run() {
    while (needed()) {
        const int found = wait();
        if (found == 0 && !greeted_ && polls_.size() == connections_at) {
            return;
        }
        const std::size_t connected = connections_.size();
        ports_.work(polls_, found < 0);
        if (found < 0) {
            continue;
        }
        if (polls_[frames_at].revents != 0) {
            receive_frames();
        }
        for (std::size_t i = 0; i < connected; ++i) {
            if (polls_[connections_at + i].revents != 0) {
                serve(connections_[i]);
            }
        }
        std::erase_if(connections_, [](const Connection& connection) { return connection.over; });
        if (polls_[listener_at].revents != 0) {
            accept();
        }
    }
}

int Server::wait() {
    const short accepting = connections_.size() < most_connections ? POLLIN : 0;
    polls_.assign({{listener_.get(), accepting, 0}, {frames_.get(), POLLIN, 0}});
    for (const Connection& connection : connections_) {
        polls_.push_back({connection.socket.get(), POLLIN, 0});
    }
    std::uint32_t timeout = std::exchange(unsent_, false) ? 0 : greeted_ ? ~0U : first_hello_ms;
    const std::size_t own = polls_.size();
    ports_.fill(polls_, timeout);
    if (polls_.size() > most_polls_) {
        ignore_new_clients(std::span(polls_).subspan(own));
    }
    return ::poll(polls_.data(), polls_.size(), timeout > 0x7fffffff ? -1 : static_cast<int>(timeout));
}

void Server::accept() {
    base::Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) {
        connections_.push_back({std::move(socket)});
    }
}

void Server::serve(Connection& connection) {
    std::array<std::byte, 64> message;
    const ssize_t size = ::recv(connection.socket.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (!connection.greeted && size == sizeof(Hello)) {
        Hello hello{};
        std::memcpy(&hello, message.data(), sizeof hello);
        greet(connection, hello);
    } else if (connection.greeted && size == sizeof(Request)) {
        Request request{};
        std::memcpy(&request, message.data(), sizeof request);
        connection.over = !send(connection.socket.get(), answer(request));
    } else {
        connection.over = true;  // it closed, or is no chaosd
    }
}

void Server::greet(Connection& connection, const Hello& hello) {
    const bool known = hello.magic == magic && hello.version == protocol_version;
    greeted_ = true;
    connection.greeted = true;
    if (hello.role == Role::frames) {
        connection.over = true;
        if (known) {
            widen(connection.socket.get());
            frames_ = std::move(connection.socket);
        }
        return;
    }
    Reply reply{};
    reply.error = known ? 0 : EPROTONOSUPPORT;
    reply.address = address_.address.bytes;
    reply.prefix = address_.prefix;
    connection.over = !send(connection.socket.get(), reply);
}

Reply Server::answer(const Request& request) {
    Reply reply{};
    reply.port = request.port;
    switch (request.op) {
        case Op::stop: stopped_ = true; break;
        case Op::add: reply.error = ports_.add(reply.port); break;
        case Op::remove: reply.error = ports_.remove(request.port); break;
        case Op::list: {
            const auto port = ports_.at(request.index);
            reply.error = port ? 0 : ENOENT;
            reply.port = port.value_or(Port{});
            break;
        }
        default: reply.error = EOPNOTSUPP;
    }
    return reply;
}

void Server::receive_frames() {
    for (std::size_t i = 0; i < frames_a_turn && frames_; ++i) {
        const ssize_t size = ::recv(frames_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        unsent_ = true;
        if (size <= 0) {
            frames_.reset();  // the daemon is gone: clients wait for the next one
            return;
        }
        const auto got = static_cast<std::size_t>(size);
        if (got < sizeof(FrameHeader) + ethernet_header || got > buffer_.size()) {
            continue;
        }
        FrameHeader header{};
        std::memcpy(&header, buffer_.data(), sizeof header);
        ports_.input(header, std::span(buffer_).subspan(sizeof header, got - sizeof header));
    }
}

void Server::send_frame(std::span<const std::byte> frame) {
    FrameHeader header{};
    std::array<iovec, 2> parts{{{&header, sizeof header}, {const_cast<std::byte*>(frame.data()), frame.size()}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    if (!frames_ || ::sendmsg(frames_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != EAGAIN) {
        return;
    }
    pollfd room{frames_.get(), POLLOUT, 0};
    if (::poll(&room, 1, room_ms) == 1) {
        ::sendmsg(frames_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

}  // namespace noxs::forward
