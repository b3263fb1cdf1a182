// SPDX-License-Identifier: Apache-2.0
#include "noxs/forward/forwarder.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <span>
#include <utility>

#include "hypervisor/process/seqpacket.hpp"
#include "noxs/forward/uplink.hpp"

extern char** environ;

namespace noxs {

namespace {

using hypervisor::process::connect_seqpacket;
using hypervisor::process::send_packet;

constexpr int patience_ms = 5000;

template <class Message>
Result<void> send(int socket, const Message& message) {
    return send_packet(socket, std::as_bytes(std::span(&message, 1)), {}, hypervisor::process::Wait::no);
}

Result<base::Fd> open_connection(const std::string& path, forward::Role role) {
    BASE_ASSIGN(auto socket, connect_seqpacket(path));
    BASE_TRY(send(socket.get(), forward::Hello{forward::magic, forward::protocol_version, role}));
    return socket;
}

std::string program_of(const ForwarderSettings& settings) {
    if (!settings.program.empty()) {
        return settings.program;
    }
    std::error_code ignored;
    return (std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "chaos-forward").string();
}

/// Runs until it has gone into the background: from then on it listens.
Result<void> spawn(const ForwarderSettings& settings) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 2, settings.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    std::array<std::string, 5> words{program_of(settings), "--socket", settings.socket, "--address",
                                     text_of(settings.address)};
    std::array<char*, words.size() + 1> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        arguments[i] = words[i].data();
    }
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return base::fail_errno(error, "starting " + words[0]);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return base::fail_errno(errno, "waiting for chaos-forward");
        }
    }
    if (status != 0) {
        return base::fail(base::Code::unavailable, "chaos-forward did not start; its reason is in " + settings.log);
    }
    return {};
}

forward::Port wire_of(const PublishedPort& port) {
    return {port.listen.bytes, port.guest.bytes, port.host_port, port.guest_port};
}

std::unexpected<base::Error> refused(int err, const PublishedPort& port) {
    const std::string where = text_of(port.listen) + ":" + std::to_string(port.host_port);
    switch (err) {
        case EADDRINUSE: return base::fail(base::Code::bad_state, "port " + where + " of the host is in use");
        case EACCES:
        case EPERM:
            return base::fail(base::Code::permission_denied, "no privilege to publish port " + where +
                                                                 " (ports below 1024 need CAP_NET_BIND_SERVICE)");
        case EADDRNOTAVAIL:
            return base::fail(base::Code::invalid_argument, text_of(port.listen) + " is no address of this host");
        default: return base::fail_errno(err, "publishing port " + where);
    }
}

}  // namespace

Result<Forwarder> Forwarder::connect(const ForwarderSettings& settings) {
    BASE_ASSIGN(auto socket, open_connection(settings.socket, forward::Role::control));
    Forwarder forwarder(std::move(socket), settings);
    BASE_ASSIGN(const auto welcome, forwarder.receive());
    if (welcome.error != 0 ||
        Ipv4Net{{welcome.address}, static_cast<std::uint8_t>(welcome.prefix)} != settings.address) {
        return base::fail(base::Code::version_mismatch,
                          "the chaos-forward that runs is of another version, or of another network");
    }
    return forwarder;
}

Result<Forwarder> Forwarder::start(const ForwarderSettings& settings) {
    auto running = connect(settings);
    if (running) {
        return running;
    }
    if (running.error().code == base::Code::version_mismatch) {
        BASE_ASSIGN(auto socket, open_connection(settings.socket, forward::Role::control));
        Forwarder(std::move(socket), settings).stop();
    }
    BASE_TRY(spawn(settings));
    return connect(settings);
}

Result<forward::Reply> Forwarder::receive() const {
    pollfd ready{control_.get(), POLLIN, 0};
    int found = 0;
    do {
        found = ::poll(&ready, 1, patience_ms);
    } while (found < 0 && errno == EINTR);
    if (found == 0) {
        return base::fail(base::Code::timed_out, "chaos-forward does not answer");
    }
    forward::Reply reply{};
    const ssize_t size = ::recv(control_.get(), &reply, sizeof reply, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno == ECONNRESET)) {
        return base::fail(base::Code::unavailable, "chaos-forward, which publishes ports, is gone");
    }
    if (size < 0) {
        return base::fail_errno(errno, "chaos-forward");
    }
    if (size != sizeof reply) {
        return base::fail(base::Code::version_mismatch, "chaos-forward sent a message of an unknown size");
    }
    return reply;
}

Result<forward::Reply> Forwarder::call(const forward::Request& request) const {
    BASE_TRY(send(control_.get(), request));
    return receive();
}

Result<std::uint16_t> Forwarder::add(const PublishedPort& port) {
    BASE_ASSIGN(const auto reply, call({forward::Op::add, 0, wire_of(port)}));
    if (reply.error != 0) {
        return refused(reply.error, port);
    }
    return reply.port.host_port;
}

Result<void> Forwarder::remove(Ipv4 listen, std::uint16_t host_port) {
    BASE_ASSIGN(const auto reply, call({forward::Op::remove, 0, wire_of({listen, host_port, {}, 0})}));
    if (reply.error != 0) {
        return base::fail(base::Code::not_found,
                          "port " + text_of(listen) + ":" + std::to_string(host_port) + " is not published");
    }
    return {};
}

Result<std::vector<PublishedPort>> Forwarder::list() {
    std::vector<PublishedPort> ports;
    // As patient with all as with one: it reads what guests send, and is not to be trusted with our time.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
    for (std::uint32_t index = 0;; ++index) {
        if (std::chrono::steady_clock::now() > deadline) {
            return base::fail(base::Code::timed_out, "chaos-forward does not end its list of ports");
        }
        BASE_ASSIGN(const auto reply, call({forward::Op::list, index, {}}));
        if (reply.error != 0) {
            break;
        }
        ports.push_back({{reply.port.listen}, reply.port.host_port, {reply.port.guest}, reply.port.guest_port});
    }
    return ports;
}

void Forwarder::stop() {
    // Its ports are free when it closes this connection.
    if (call({forward::Op::stop, 0, {}})) {
        static_cast<void>(receive());
    }
    control_.reset();
}

Result<std::unique_ptr<DataPlane::Uplink>> Forwarder::uplink() const {
    BASE_ASSIGN(auto socket, open_connection(socket_, forward::Role::frames));
    return make_forward_uplink(std::move(socket), address_);
}

}  // namespace noxs
