// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"
#include "hypervisor/process/hv/domain_process.hpp"
#include "hypervisor/process/hv_protocol.hpp"

namespace hypervisor::process {

/// Fills in what a peer is told of `domain`.
void describe_domain(Reply& reply, std::uint16_t id, const DomainProcess& domain);

/// chaos-hv: owns the domains and answers hv_protocol.hpp. Single-threaded; sleeps unless a peer asks or a domain dies.
/// When the last peer goes, shells without an image go too; when no domain is left either, `run` returns.
class Server {
 public:
    /// `missing`: what confine_self could not do, told to every peer in hello.
    static base::Result<std::unique_ptr<Server>> open(base::Fd listener, Offers offers,
                                                      std::vector<std::string> missing);

    /// Serves until there is nothing left to own, or SIGTERM. Ends all domains before it returns.
    base::Result<void> run();

 private:
    struct Owned {
        DomainProcess process;
        bool ending{false};  ///< destroy was asked for; forgotten when its process is gone
        int waiter{-1};      ///< the connection that asked for it; -1: nobody waits
    };

    explicit Server(Offers offers) : offers_(std::move(offers)) {}
    base::Result<void> watch(int fd, std::uint32_t events, int operation) const;
    void accept_peer();
    void drop_peer(int connection);
    void serve_peer(int connection);
    void reap_children();
    void on_exit(pid_t pid, int how, int status);
    void tell_deaths();
    void forget(std::uint16_t id);
    void abandon_shells();
    void end_all();

    // requests.cpp
    void answer(int connection, const Request& request);
    void hello(int connection, const Request& request);
    base::Result<const DomainKind*> offered(Kind kind);
    base::Result<base::DomId> spawn(const Request& request, DomainProcess& made);
    void create(int connection, const Request& request);
    void destroy(int connection, const Request& request);
    void list(int connection) const;
    void subscribe(int connection);
    int signal_domain(const Request& request, int signal, bool paused);
    int set_affinity(const Request& request);
    base::Result<base::DomId> free_id();
    SetupReport& report() const { return *shared_with_children_.at<SetupReport>(); }
    void reply(int connection, const Reply& message, const DomainProcess* handles = nullptr) const;

    base::Fd listener_;
    base::Fd epoll_;
    base::Fd signals_;
    Offers offers_;
    std::array<bool, kind_count> proven_{};  ///< a domain of that kind has run
    base::Mapping shared_with_children_;     ///< SetupReport
    std::string missing_;
    std::unordered_map<std::uint16_t, Owned> domains_;
    std::unordered_map<pid_t, std::uint16_t> ids_by_pid_;
    std::map<int, base::Fd> peers_;
    int subscriber_{-1};
    std::deque<std::uint16_t> untold_deaths_;
    std::uint16_t last_id_{0};
    bool stopping_{false};
};

}  // namespace hypervisor::process
