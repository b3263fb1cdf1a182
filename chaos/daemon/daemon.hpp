// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "chaos/config/daemon_config.hpp"
#include "chaos/daemon/event_loop.hpp"
#include "chaos/daemon/host.hpp"
#include "chaos/daemon/server.hpp"
#include "chaos/daemon/service.hpp"

namespace chaos {

/// The daemon as one object: event loop, API, socket.
class Daemon final : public Host {
 public:
    /// Opens everything; clients can connect when it returns. `config` has its socket and state_dir filled in; `stop`
    /// becomes readable when the daemon is to end.
    static base::Result<std::unique_ptr<Daemon>> open(DaemonConfig config, base::Fd stop);
    ~Daemon() override;

    /// Until it is told to stop. Domains live on.
    void run() { loop_->run(); }

    void post(std::function<void()> work) override { loop_->post(std::move(work)); }
    void wake_at(Clock::time_point when) override;
    bool watch(int fd) override;
    void stop() override;
    std::vector<hypervisor::SkippedDriver> skipped_drivers() const override { return skipped_drivers_; }

 private:
    explicit Daemon(DaemonConfig config) : config_(std::move(config)) {}
    base::Result<std::unique_ptr<split::Toolstack>> open_toolstack(split::Observer& observer);
    void arm_toolstack();

    DaemonConfig config_;
    std::vector<hypervisor::SkippedDriver> skipped_drivers_;
    base::Fd stop_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<Timer> timer_;
    std::optional<Clock::time_point> armed_;
    std::unique_ptr<Watch> stop_watch_;
    std::unique_ptr<Service> service_;
    std::unique_ptr<Watch> toolstack_watch_;
    std::unique_ptr<Server> server_;
};

}  // namespace chaos
