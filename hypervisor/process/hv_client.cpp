// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv_client.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "hypervisor/process/seqpacket.hpp"

extern char** environ;

namespace hypervisor::process {

namespace {

std::string text_of(const Reply& reply) {
    return {reply.text, ::strnlen(reply.text, sizeof reply.text)};
}

base::Error gone(std::string why) {
    return {base::Code::unavailable, 0, "chaos-hv, which owns the domains, is gone" + std::move(why)};
}

}  // namespace

base::Result<HvClient> HvClient::connect(const std::string& socket_path, Kind kind, Reply& hello) {
    BASE_ASSIGN(auto socket, connect_seqpacket(socket_path));
    HvClient client(std::move(socket));
    Request request{};
    request.op = Op::hello;
    request.arg = protocol_version;
    request.kind = kind;
    auto answer = client.call(request);
    // A chaos-hv of another version says so in a reply of its own size.
    if (!answer && (answer.error().sys_errno == EPROTONOSUPPORT || answer.error().code == base::Code::protocol_error)) {
        return base::fail(base::Code::version_mismatch,
                          "the running chaos-hv (" + socket_path + ") speaks another protocol than version " +
                              std::to_string(protocol_version) + "; end its domains and start it anew");
    }
    BASE_TRY(answer);
    hello = answer->record;
    return client;
}

base::Result<void> HvClient::start(const std::string& helper, const std::string& socket_path,
                                   const std::string& log_path) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 2, log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    std::string program = helper;
    std::string option = "--socket";
    std::string path = socket_path;
    const std::array<char*, 4> arguments{program.data(), option.data(), path.data(), nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, helper.c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return base::fail_errno(error, "starting " + helper);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return base::fail_errno(errno, "waiting for " + helper);
        }
    }
    if (status != 0) {
        return base::fail(base::Code::unavailable, helper + " did not start; its reason is in " + log_path);
    }
    return {};
}

base::Result<DomainHandles> HvClient::call(const Request& request) {
    const std::scoped_lock lock(calls_);
    BASE_TRY(send(request));
    return receive(true);
}

std::optional<base::Result<DomainHandles>> HvClient::try_call(const Request& request) {
    const std::unique_lock lock(calls_, std::try_to_lock);
    if (!lock) {
        return std::nullopt;
    }
    if (auto sent = send(request); !sent) {
        return std::unexpected(std::move(sent).error());
    }
    return receive(true);
}

base::Result<void> HvClient::send(const Request& request) {
    return send_packet(socket_.get(), std::as_bytes(std::span(&request, 1)));
}

base::Result<DomainHandles> HvClient::receive(bool blocking) {
    DomainHandles handles;
    auto packet = receive_packet(socket_.get(), std::as_writable_bytes(std::span(&handles.record, 1)),
                                 blocking ? Wait::yes : Wait::no);
    if (!packet) {
        return std::unexpected(std::move(packet).error());
    }
    if (packet->size == 0) {
        return base::fail(gone(""));
    }
    if (packet->size != sizeof handles.record) {
        return base::fail(base::Code::protocol_error, "chaos-hv sent a message of an unknown size");
    }
    if (handles.record.error != 0) {
        const auto text = text_of(handles.record);
        auto error = base::sys_error(handles.record.error, text);
        if (!text.empty()) {
            error.message = text;
        }
        return base::fail(std::move(error));
    }
    handles.memory = std::move(packet->fds[0]);
    handles.doorbell = std::move(packet->fds[1]);
    handles.data_doorbell = std::move(packet->fds[2]);
    return handles;
}

}  // namespace hypervisor::process
