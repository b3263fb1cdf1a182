// SPDX-License-Identifier: Apache-2.0
// What chaos-hv answers to each request.
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/process/hv/server.hpp"
#include "hypervisor/process/process_abi.hpp"
#include "hypervisor/process/seqpacket.hpp"

namespace hypervisor::process {

namespace {

constexpr std::uint16_t last_domid = base::first_reserved_domid - 1;

void set_text(Reply& reply, const std::string& text) {
    const auto size = std::min(text.size(), sizeof reply.text - 1);
    std::memcpy(reply.text, text.data(), size);
    reply.text[size] = '\0';
}

Reply reply_to(const Request& request, int error) {
    Reply reply{};
    reply.op = request.op;
    reply.error = error;
    reply.domain = request.domain;
    return reply;
}

}  // namespace

void describe_domain(Reply& reply, std::uint16_t id, const DomainProcess& domain) {
    reply.domain = id;
    reply.pid = domain.pid;
    reply.memory = domain.shape.memory;
    reply.control_pages = domain.shape.control_pages;
    reply.spare_pages = domain.shape.spare_pages;
    reply.data_lane = domain.data_doorbell ? 1 : 0;
    reply.vcpus = domain.shape.vcpus;
    reply.paused = domain.paused ? 1 : 0;
    reply.death = domain.death;
    reply.kind = domain.kind->kind();
    set_text(reply, domain.death_cause);
}

void Server::answer(int connection, const Request& request) {
    switch (request.op) {
        case Op::hello: return hello(connection, request);
        case Op::create: return create(connection, request);
        case Op::destroy: return destroy(connection, request);
        case Op::list: return list(connection);
        case Op::subscribe: return subscribe(connection);
        case Op::pause: return reply(connection, reply_to(request, signal_domain(request, SIGSTOP, true)));
        case Op::unpause: return reply(connection, reply_to(request, signal_domain(request, SIGCONT, false)));
        case Op::affinity: return reply(connection, reply_to(request, set_affinity(request)));
        case Op::death: break;
    }
    reply(connection, reply_to(request, EINVAL));
}

void Server::hello(int connection, const Request& request) {
    auto message = reply_to(request, request.arg == protocol_version ? 0 : EPROTONOSUPPORT);
    rlimit descriptors{};
    ::getrlimit(RLIMIT_NOFILE, &descriptors);
    message.arg = protocol_version;
    message.limit = descriptors.rlim_cur;
    message.pid = ::getpid();
    set_text(message, missing_);
    if (message.error == 0) {
        if (const auto kind = offered(request.kind)) {
            message.vcpus = (*kind)->max_vcpus();
            const auto note = (*kind)->note();
            set_text(message, missing_ + (missing_.empty() || note.empty() ? "" : "; ") + note);
        } else {
            message.error = EOPNOTSUPP;
            set_text(message, kind.error().message);
        }
    }
    reply(connection, message);
}

base::Result<const DomainKind*> Server::offered(Kind kind) {
    const auto index = static_cast<std::size_t>(kind);
    if (index >= offers_.size()) {
        return base::fail_errno(EINVAL, "kind of a domain");
    }
    const auto& offer = offers_[index];
    if (!offer) {
        return std::unexpected(offer.error());
    }
    if ((*offer)->is_uncertain() && !proven_[index]) {  // again each time: what is missing may come back
        const DomainShape smallest{.memory = 2 * abi::ram_gpa, .control_pages = 1};
        BASE_ASSIGN(auto trial, spawn_domain(base::DomId{base::first_reserved_domid}, smallest, **offer, report()));
        reap(trial);
        proven_[index] = true;
    }
    return offer->get();
}

base::Result<base::DomId> Server::free_id() {
    for (unsigned tried = 0; tried < last_domid; ++tried) {
        last_id_ = last_id_ == last_domid ? 1 : static_cast<std::uint16_t>(last_id_ + 1);
        if (!domains_.contains(last_id_)) {
            return base::DomId{last_id_};
        }
    }
    return base::fail_errno(EUSERS, "every domain id is in use");
}

base::Result<base::DomId> Server::spawn(const Request& request, DomainProcess& made) {
    BASE_ASSIGN(const auto* kind, offered(request.kind));
    const bool sane = request.memory > abi::ram_gpa && request.memory % base::page_size == 0 && request.vcpus != 0 &&
                      request.vcpus <= kind->max_vcpus() && request.control_pages <= max_control_pages &&
                      request.spare_pages <= request.control_pages;
    if (!sane) {
        return base::fail_errno(EINVAL, "shape of a domain");
    }
    BASE_ASSIGN(const auto id, free_id());
    const DomainShape shape{.memory = request.memory,
                            .control_pages = request.control_pages,
                            .spare_pages = request.spare_pages,
                            .data_lane = request.data_lane != 0,
                            .vcpus = request.vcpus};
    BASE_ASSIGN(made, spawn_domain(id, shape, *kind, report()));
    return id;
}

void Server::create(int connection, const Request& request) {
    DomainProcess process;
    const auto id = spawn(request, process);
    if (!id) {
        auto message = reply_to(request, id.error().sys_errno != 0 ? id.error().sys_errno : EOPNOTSUPP);
        set_text(message, id.error().message);
        return reply(connection, message);
    }
    auto& owned = domains_[id->value];
    owned.process = std::move(process);
    ids_by_pid_.emplace(owned.process.pid, id->value);
    auto message = reply_to(request, 0);
    describe_domain(message, id->value, owned.process);
    reply(connection, message, &owned.process);
}

void Server::destroy(int connection, const Request& request) {
    const auto found = domains_.find(static_cast<std::uint16_t>(request.domain));
    if (found == domains_.end() || found->second.ending) {
        return reply(connection, reply_to(request, ESRCH));
    }
    auto& owned = found->second;
    if (owned.process.death.dead != 0) {
        forget(found->first);
        return reply(connection, reply_to(request, 0));
    }
    owned.ending = true;
    owned.waiter = connection;
    owned.process.memory.reset();  // so that the dying process frees its pages, not we
    owned.process.doorbell.reset();
    owned.process.data_doorbell.reset();
    ::kill(owned.process.pid, SIGKILL);
}

void Server::list(int connection) const {
    Reply message{};
    message.op = Op::list;
    for (const auto& [id, owned] : domains_) {
        if (!owned.ending) {
            describe_domain(message, id, owned.process);
            reply(connection, message, &owned.process);
        }
    }
    message.domain = 0;
    reply(connection, message);
}

void Server::subscribe(int connection) {
    subscriber_ = connection;
    Reply message{};
    message.op = Op::subscribe;
    reply(connection, message);
}

int Server::signal_domain(const Request& request, int signal, bool paused) {
    const auto found = domains_.find(static_cast<std::uint16_t>(request.domain));
    if (found == domains_.end() || found->second.ending || found->second.process.death.dead != 0) {
        return ESRCH;
    }
    found->second.process.paused = paused;
    return ::kill(found->second.process.pid, signal) == 0 ? 0 : errno;
}

int Server::set_affinity(const Request& request) {
    const auto found = domains_.find(static_cast<std::uint16_t>(request.domain));
    if (found == domains_.end() || found->second.ending || found->second.process.death.dead != 0) {
        return ESRCH;
    }
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (unsigned cpu = 0; cpu < 64; ++cpu) {
        if ((request.arg >> cpu & 1) != 0) {
            CPU_SET(cpu, &cpus);
        }
    }
    const auto& process = found->second.process;
    int failed = ::sched_setaffinity(process.pid, sizeof cpus, &cpus) == 0 ? 0 : errno;
    for (const pid_t thread : process.threads) {
        failed = ::sched_setaffinity(thread, sizeof cpus, &cpus) == 0 ? failed : errno;
    }
    return failed;
}

void Server::reply(int connection, const Reply& message, const DomainProcess* handles) const {
    std::array<int, max_message_fds> fds{};
    std::size_t count = 0;
    if (handles != nullptr) {
        fds = {handles->memory.get(), handles->doorbell.get(), handles->data_doorbell.get()};
        count = handles->data_doorbell ? 3 : 2;
    }
    const auto used = std::span<const int>(fds).first(count);
    if (!send_packet(connection, std::as_bytes(std::span(&message, 1)), used)) {
        ::shutdown(connection, SHUT_RDWR);  // gone, or too slow: it is dropped when its connection is read next
    }
}

}  // namespace hypervisor::process
