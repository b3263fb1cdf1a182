// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "chaos/daemon/service.hpp"
#include "chaos/rpc/unix_address.hpp"

namespace chaos {

namespace {

constexpr int accepted_per_turn = 32;

base::Fd open_spare() {
    return base::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

base::Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? base::Result<void>() : base::fail_errno(errno, "'" + path + "'");
    }
    if (!S_ISSOCK(status.st_mode)) {
        return base::fail(base::Code::bad_state,
                          "'" + path + "' exists and is no socket; choose another with --socket");
    }
    const base::Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        return base::fail(base::Code::bad_state, "another program is listening on '" + path + "'");
    }
    return ::unlink(path.c_str()) == 0 ? base::Result<void>() : base::fail_errno(errno, "remove '" + path + "'");
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::listen(const std::string& path, EventLoop& loop, Service& service,
                                                     const Limits& limits) {
    BASE_ASSIGN(const sockaddr_un address, rpc::unix_address(path));
    BASE_TRY(remove_stale(path, address));
    base::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        return base::fail_errno(errno, "socket");
    }
    const mode_t mask = ::umask(0177);
    const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = errno;
    ::umask(mask);
    if (bound != 0) {
        return base::fail_errno(error, "cannot listen on '" + path + "'");
    }
    if (::listen(socket.get(), SOMAXCONN) != 0) {
        return base::fail_errno(errno, "listen on '" + path + "'");
    }
    BASE_ASSIGN(auto watch, loop.watch(socket.get()));
    auto server = std::unique_ptr<Server>(new Server(path, std::move(socket), std::move(watch), loop, service, limits));
    server->arm();
    return server;
}

Server::Server(std::string path, base::Fd socket, std::unique_ptr<Watch> watch, EventLoop& loop, Service& service,
               const Limits& limits)
    : path_(std::move(path)),
      socket_(std::move(socket)),
      watch_(std::move(watch)),
      loop_(loop),
      service_(service),
      limits_(limits),
      spare_(open_spare()) {}

Server::~Server() {
    ::unlink(path_.c_str());
}

void Server::arm() {
    watch_->when_readable([this] { accept_some(); });
}

void Server::accept_some() {
    for (int i = 0; i < accepted_per_turn; ++i) {
        base::Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client && (errno == EMFILE || errno == ENFILE)) {
            shed_one();
            continue;
        }
        if (!client) {
            break;
        }
        if (connections_.size() >= limits_.connections) {
            refuse(std::move(client), "limits.connections = " + std::to_string(limits_.connections) + " are open");
        } else {
            add(std::move(client));
        }
    }
    arm();
}

// Without this a client that can't be accepted would keep the socket readable and the loop spinning.
void Server::shed_one() {
    spare_.reset();
    base::Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client) {
        base::log(base::Level::warn, "no descriptors left (RLIMIT_NOFILE); refusing a client");
        refuse(std::move(client), "the daemon has no descriptors left (RLIMIT_NOFILE)");
    }
    spare_ = open_spare();
}

void Server::refuse(base::Fd socket, std::string_view why) {
    std::string reply;
    rpc::append_error(reply, rpc::failure_of({base::Code::limit_reached, 0, std::string(why)}, "null"));
    (void)!::send(socket.get(), reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Server::add(base::Fd socket) {
    auto watch = loop_.watch(socket.get());
    if (!watch) {
        refuse(std::move(socket), watch.error().message);
        return;
    }
    auto connection = std::make_unique<Connection>(service_, loop_, limits_, std::move(socket), *std::move(watch),
                                                   [this](Connection& gone) { connections_.erase(&gone); });
    Connection& added = *connection;
    connections_.emplace(&added, std::move(connection));
    added.start();
}

}  // namespace chaos
