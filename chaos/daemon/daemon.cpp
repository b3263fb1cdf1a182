// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/daemon.hpp"

#include <utility>

#include "base/log.hpp"
#include "chaos/config/file.hpp"
#include "hypervisor/drivers.hpp"

namespace chaos {

base::Result<std::unique_ptr<Daemon>> Daemon::open(DaemonConfig config, base::Fd stop) {
    auto daemon = std::unique_ptr<Daemon>(new Daemon(std::move(config)));
    Daemon& self = *daemon;
    self.stop_ = std::move(stop);
    BASE_ASSIGN(self.loop_, EventLoop::open());
    self.timer_ = self.loop_->timer([&self] {
        self.armed_.reset();
        self.service_->on_time();
    });
    BASE_ASSIGN(self.stop_watch_, self.loop_->watch(self.stop_.get()));
    self.stop_watch_->when_readable([&self] { self.stop(); });
    self.service_ =
        std::make_unique<Service>(ServiceSettings{self.config_.socket, self.config_.state_dir, self.config_.limits},
                                  self, [&self](split::Observer& observer) { return self.open_toolstack(observer); });
    BASE_TRY(self.service_->start());
    BASE_ASSIGN(self.server_, Server::listen(self.config_.socket, *self.loop_, *self.service_, self.config_.limits));
    return daemon;
}

Daemon::~Daemon() {
    server_.reset();  // clients first: they are known to the service
    toolstack_watch_.reset();
    service_.reset();
}

base::Result<std::unique_ptr<split::Toolstack>> Daemon::open_toolstack(split::Observer& observer) {
    hypervisor::DriverOptions options;
    options.runtime_dir = directory_of(config_.socket);
    BASE_ASSIGN(auto opened, hypervisor::open_driver(config_.hypervisor, options));
    auto& driver = opened.hypervisor;
    skipped_drivers_ = std::move(opened.skipped);
    for (const auto& skipped : skipped_drivers_) {
        base::log(base::Level::info, "driver " + skipped.name + " is not used: " + skipped.why);
    }
    base::log(base::Level::info, "driver " + driver->capabilities().name + " " + driver->capabilities().version);
    split::ToolstackSettings settings;
    settings.state_dir = config_.state_dir;
    settings.flavours = config_.pool;
    settings.max_domains = config_.max_domains;
    settings.shutdown_grace = config_.shutdown_grace;
    return split::Toolstack::open(std::move(settings), std::move(driver), observer);
}

// Armed for the earliest time only: a request that ends before its time limit leaves the timer alone.
void Daemon::wake_at(Clock::time_point when) {
    if (!armed_ || when < *armed_) {
        armed_ = when;
        timer_->arm(when);
    }
}

bool Daemon::watch(int fd) {
    toolstack_watch_.reset();
    if (fd < 0) {
        return true;
    }
    auto watch = loop_->watch(fd);
    if (!watch) {
        base::log(base::Level::error, watch.error().message);
        return false;
    }
    toolstack_watch_ = *std::move(watch);
    arm_toolstack();
    return true;
}

void Daemon::arm_toolstack() {
    toolstack_watch_->when_readable([this, watched = toolstack_watch_.get()] {
        service_->poll();
        if (toolstack_watch_.get() == watched) {
            arm_toolstack();
        }
    });
}

void Daemon::stop() {
    loop_->post([this] { loop_->stop(); });
}

}  // namespace chaos
