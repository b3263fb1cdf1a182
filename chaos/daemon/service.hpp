// SPDX-License-Identifier: Apache-2.0
// The API without sockets: requests in, replies and notifications out, the toolstack underneath.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chaos/config/daemon_config.hpp"
#include "chaos/daemon/client.hpp"
#include "chaos/daemon/consoles.hpp"
#include "chaos/daemon/create_jobs.hpp"
#include "chaos/daemon/detach_waits.hpp"
#include "chaos/daemon/end_waits.hpp"
#include "chaos/daemon/ended.hpp"
#include "chaos/daemon/event_log.hpp"
#include "chaos/daemon/host.hpp"
#include "chaos/daemon/metrics.hpp"

namespace chaos {

/// Opens the driver and the toolstack; called at start and again when the hypervisor was lost.
using OpenToolstack = std::function<Result<std::unique_ptr<split::Toolstack>>(split::Observer&)>;

struct ServiceSettings {
    std::string socket;  ///< for daemon.info
    std::string state_dir;
    Limits limits;
};

/// Main thread only. Clients must have been removed before it goes.
class Service final : public split::Observer {
 public:
    Service(ServiceSettings settings, Host& host, OpenToolstack open);

    /// Opens the toolstack; adopts what an earlier daemon left.
    Result<void> start();

    void connected(Client& client) { clients_.add(client); }
    void disconnected(Client& client);
    /// One request. `received`: when its bytes came in. Hot: see CreateJobs::start.
    void handle_line(Client& client, std::string_view line, Clock::time_point received);

    /// The descriptor that Host::watch named is readable.
    void poll();
    /// The time that Host::wake_at named has come, or any other.
    void on_time();

    // For the methods.
    /// The toolstack; an error when it was lost and can't be opened again.
    Result<split::Toolstack*> toolstack();
    const ServiceSettings& settings() const { return settings_; }
    Host& host() { return host_; }
    Clients& clients() { return clients_; }
    CreateJobs& create_jobs() { return create_jobs_; }
    EndWaits& end_waits() { return end_waits_; }
    DetachWaits& detach_waits() { return detach_waits_; }
    Consoles& consoles() { return consoles_; }
    EventLog& events() { return events_; }
    const EndedGuests& ended() const { return ended_; }
    DaemonMetrics metrics() const;
    std::int64_t started_unix_ms() const { return started_unix_ms_; }
    /// Destroys every domain, some per turn of the event loop, then calls `done`.
    void destroy_all(std::function<void(std::size_t destroyed)> done);

    // split::Observer
    void on_event(const split::Event& event) override;
    void on_console_output(base::DomId domain, std::uint64_t offset, std::span<const char> bytes) override;
    void on_lost(const base::Error& why) override;

 private:
    /// The host for work that is done in turns of its own: each one is followed by settle().
    class Turns final : public Host {
     public:
        explicit Turns(Service& service) : service_(service) {}
        void post(std::function<void()> work) override;
        void wake_at(Clock::time_point when) override { service_.host_.wake_at(when); }
        bool watch(int fd) override { return service_.host_.watch(fd); }
        void stop() override { service_.host_.stop(); }

     private:
        Service& service_;
    };

    /// An ending that is told once the toolstack has said all about it: a restart shows only afterwards.
    struct PendingEnding {
        Ending ending;
        bool gone{false};
        base::DomId successor{base::dom0};
    };

    void dispatch(Client& client, const rpc::Request& request, std::string_view line, Clock::time_point received);
    void fail(Client& client, const rpc::Failure& failure);
    void record(split::Event event);
    void note_ending(const split::Event& event);
    void note_successor(const split::Event& event);
    void tell_endings();
    void settle();
    void recover();
    void schedule();
    void destroy_some(std::shared_ptr<std::vector<base::DomId>> domains, std::size_t destroyed,
                      std::function<void(std::size_t)> done);

    ServiceSettings settings_;
    Host& host_;
    Turns turns_{*this};
    OpenToolstack open_;
    Clients clients_;
    CreateJobs create_jobs_;
    EndWaits end_waits_;
    DetachWaits detach_waits_;
    Consoles consoles_;
    EndedGuests ended_;
    EventLog events_;
    DaemonMetrics metrics_;
    std::int64_t started_unix_ms_;
    std::optional<base::Error> lost_;
    std::vector<PendingEnding> endings_;
    std::string line_;
    std::unique_ptr<split::Toolstack> toolstack_;
};

}  // namespace chaos
