// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/hv/server.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "hypervisor/process/seqpacket.hpp"

namespace hypervisor::process {

namespace {

constexpr int first_peer_deadline_ms = 30000;
constexpr timeval send_deadline{5, 0};

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

base::Result<base::Mapping> map_report() {
    const base::Fd memory(::memfd_create("setup-report", MFD_CLOEXEC));
    if (!memory || ::ftruncate(memory.get(), base::page_size) != 0) {
        return base::fail_errno(errno, "memory shared with domains");
    }
    return base::Mapping::map(memory.get(), 0, base::page_size, base::Access::read_write);
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::open(base::Fd listener, Offers offers, std::vector<std::string> missing) {
    std::unique_ptr<Server> server(new Server(std::move(offers)));
    server->listener_ = std::move(listener);
    BASE_ASSIGN(server->shared_with_children_, map_report());
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
    // A peer that is stopped in the middle of a long answer must not stop everybody.
    ::setsockopt(peer.get(), SOL_SOCKET, SO_SNDTIMEO, &send_deadline, sizeof send_deadline);
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
        if (owned.waiter == connection) {
            owned.waiter = -1;
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
        const int waiter = owned.waiter;
        forget(id);
        if (waiter >= 0) {
            reply(waiter, message);
        }
        return;
    }
    bury(owned.process, how, status);
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

}  // namespace hypervisor::process
