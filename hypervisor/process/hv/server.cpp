// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/server.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "hypervisor/process/process_abi.hpp"
#include "hypervisor/process/seqpacket.hpp"

namespace hypervisor::process {

namespace {

constexpr std::uint16_t last_domid = base::first_reserved_domid - 1;
constexpr int first_peer_deadline_ms = 30000;

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

void describe_domain(Reply& reply, std::uint16_t id, const DomainProcess& domain) {
    reply.domain = id;
    reply.pid = domain.pid;
    reply.memory = domain.memory_size;
    reply.control_pages = domain.control_pages;
    reply.paused = domain.paused ? 1 : 0;
    reply.death = domain.death;
}

base::Result<base::Fd> watch_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) {
        ::sigaddset(&set, signal);
    }
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    base::Fd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!fd) {
        return base::fail_errno(errno, "signalfd");
    }
    return fd;
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::open(base::Fd listener, Trampoline trampoline,
                                                   std::vector<std::string> missing) {
    std::unique_ptr<Server> server(new Server);
    server->listener_ = std::move(listener);
    server->trampoline_ = std::move(trampoline);
    for (const auto& note : missing) {
        server->missing_ += server->missing_.empty() ? note : "; " + note;
    }
    BASE_ASSIGN(server->signals_, watch_signals());
    server->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!server->epoll_) {
        return base::fail_errno(errno, "epoll_create1");
    }
    BASE_TRY(server->watch(server->listener_.get(), EPOLLIN, EPOLL_CTL_ADD));
    BASE_TRY(server->watch(server->signals_.get(), EPOLLIN, EPOLL_CTL_ADD));
    return server;
}

base::Result<void> Server::watch(int fd, std::uint32_t events, int operation) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) {
        return base::fail_errno(errno, "epoll_ctl");
    }
    return {};
}

base::Result<void> Server::run() {
    bool had_peer = false;
    while (!stopping_ && !(had_peer && peers_.empty() && domains_.empty())) {
        std::array<epoll_event, 16> events;
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                       had_peer ? -1 : first_peer_deadline_ms);
        if (count < 0 && errno != EINTR) {
            return base::fail_errno(errno, "epoll_wait");
        }
        if (count == 0) {
            break;  // started, and nobody came
        }
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener_.get()) {
                accept_peer();
                had_peer = true;
            } else if (fd == signals_.get()) {
                reap_children();
            } else if (peers_.contains(fd)) {
                if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) {
                    tell_deaths();
                } else {
                    serve_peer(fd);
                }
            }
        }
    }
    end_all();
    return {};
}

void Server::accept_peer() {
    base::Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) {
        return;
    }
    const int number = peer.get();
    if (watch(number, EPOLLIN, EPOLL_CTL_ADD)) {
        peers_.emplace(number, std::move(peer));
    }
}

void Server::drop_peer(int connection) {
    peers_.erase(connection);
    if (subscriber_ == connection) {
        subscriber_ = -1;
    }
    for (auto& [id, owned] : domains_) {
        if (owned.waiter.connection == connection) {
            owned.waiter.connection = -1;
        }
    }
    if (peers_.empty()) {
        abandon_shells();
    }
}

void Server::serve_peer(int connection) {
    Request request{};
    const auto packet = receive_packet(connection, std::as_writable_bytes(std::span(&request, 1)), Wait::no);
    if (!packet && packet.error().sys_errno == EAGAIN) {
        return;
    }
    if (!packet || packet->size != sizeof request) {
        drop_peer(connection);
        return;
    }
    answer(connection, request);
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

void Server::hello(int connection, const Request& request) const {
    auto message = reply_to(request, request.arg == protocol_version ? 0 : EPROTONOSUPPORT);
    rlimit descriptors{};
    ::getrlimit(RLIMIT_NOFILE, &descriptors);
    message.arg = protocol_version;
    message.limit = descriptors.rlim_cur;
    message.pid = ::getpid();
    set_text(message, missing_);
    reply(connection, message);
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

void Server::create(int connection, const Request& request) {
    const bool sane = request.memory > abi::ram_gpa && request.memory % base::page_size == 0 && request.vcpus == 1;
    const auto id = sane ? free_id() : base::Result<base::DomId>(base::fail_errno(EINVAL, "shape of a domain"));
    auto process = id ? spawn_domain(*id, {request.memory, request.control_pages}, trampoline_)
                      : base::Result<DomainProcess>(std::unexpected(id.error()));
    if (!process) {
        auto message = reply_to(request, process.error().sys_errno);
        set_text(message, process.error().message);
        return reply(connection, message);
    }
    auto& owned = domains_[id->value];
    owned.process = std::move(*process);
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
    owned.waiter.connection = connection;
    owned.process.memory.reset();  // so that the dying process frees its pages, not we
    owned.process.doorbell.reset();
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
    if (found == domains_.end() || found->second.process.death.dead != 0) {
        return ESRCH;
    }
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (unsigned cpu = 0; cpu < 64; ++cpu) {
        if ((request.arg >> cpu & 1) != 0) {
            CPU_SET(cpu, &cpus);
        }
    }
    return ::sched_setaffinity(found->second.process.pid, sizeof cpus, &cpus) == 0 ? 0 : errno;
}

void Server::reap_children() {
    std::array<signalfd_siginfo, 16> infos;
    ssize_t size = 0;
    while ((size = ::read(signals_.get(), infos.data(), sizeof infos)) > 0) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(size) / sizeof infos[0]; ++i) {
            stopping_ = stopping_ || infos[i].ssi_signo != SIGCHLD;
        }
    }
    siginfo_t status{};
    while (::waitid(P_ALL, 0, &status, WEXITED | WNOHANG) == 0 && status.si_pid != 0) {
        on_exit(status.si_pid, status.si_code, status.si_status);
        status.si_pid = 0;
    }
    tell_deaths();
}

void Server::on_exit(pid_t pid, int how, int status) {
    const auto found = ids_by_pid_.find(pid);
    if (found == ids_by_pid_.end()) {
        return;
    }
    const auto id = found->second;
    ids_by_pid_.erase(found);
    auto& owned = domains_.at(id);
    if (owned.ending) {
        Reply message{};
        message.op = Op::destroy;
        message.domain = id;
        const int waiter = owned.waiter.connection;
        forget(id);
        if (waiter >= 0) {
            reply(waiter, message);
        }
        return;
    }
    owned.process.death = death_of(owned.process, how, status);
    owned.process.pid = 0;
    untold_deaths_.push_back(id);
}

void Server::tell_deaths() {
    while (subscriber_ >= 0 && !untold_deaths_.empty()) {
        const auto id = untold_deaths_.front();
        const auto found = domains_.find(id);
        if (found != domains_.end() && found->second.process.death.dead != 0) {
            Reply message{};
            message.op = Op::death;
            describe_domain(message, id, found->second.process);
            const auto sent = send_packet(subscriber_, std::as_bytes(std::span(&message, 1)), {}, Wait::no);
            if (!sent) {
                const bool full = sent.error().sys_errno == EAGAIN;
                (void)watch(subscriber_, full ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
                return;  // goes on when there is room, or with the next subscriber
            }
        }
        untold_deaths_.pop_front();
    }
    if (subscriber_ >= 0) {
        (void)watch(subscriber_, EPOLLIN, EPOLL_CTL_MOD);
    }
}

void Server::forget(std::uint16_t id) {
    const auto found = domains_.find(id);
    ids_by_pid_.erase(found->second.process.pid);
    domains_.erase(found);
}

void Server::abandon_shells() {
    for (auto& [id, owned] : domains_) {
        if (!owned.ending && owned.process.death.dead == 0 && !is_loaded(owned.process)) {
            owned.ending = true;
            ::kill(owned.process.pid, SIGKILL);
        }
    }
}

void Server::end_all() {
    for (const auto& [pid, id] : ids_by_pid_) {
        ::kill(pid, SIGKILL);
    }
    for (const auto& [pid, id] : ids_by_pid_) {
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
}

void Server::reply(int connection, const Reply& message, const DomainProcess* handles) const {
    const std::array<int, 2> fds =
        handles != nullptr ? std::array<int, 2>{handles->memory.get(), handles->doorbell.get()} : std::array<int, 2>{};
    const auto used = handles != nullptr ? std::span<const int>(fds) : std::span<const int>();
    // A peer that is gone is noticed when its connection is read.
    (void)send_packet(connection, std::as_bytes(std::span(&message, 1)), used);
}

}  // namespace hypervisor::process
