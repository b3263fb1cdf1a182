// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/toolstack.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "split-toolstack/prepare.hpp"
#include "split-toolstack/state_dir.hpp"
#include "split-toolstack/toolstack_impl.hpp"

namespace split {

Result<std::unique_ptr<Toolstack>> Toolstack::open(ToolstackSettings settings,
                                                   std::unique_ptr<hypervisor::Hypervisor> hypervisor,
                                                   Observer& observer) {
    BASE_ASSIGN(auto plane, noxs::DataPlane::open());
    return open(std::move(settings), std::move(hypervisor), observer, std::move(plane));
}

Result<std::unique_ptr<Toolstack>> Toolstack::open(ToolstackSettings settings,
                                                   std::unique_ptr<hypervisor::Hypervisor> hypervisor,
                                                   Observer& observer, std::unique_ptr<noxs::DataPlane> plane) {
    BASE_TRY(make_private_dir(settings.state_dir));
    BASE_TRY(make_private_dir(settings.state_dir + "/console"));
    BASE_ASSIGN(auto registry, Registry::open(settings.state_dir));
    auto toolstack =
        std::make_unique<ToolstackImpl>(std::move(settings), std::move(hypervisor), observer, std::move(registry));
    BASE_TRY(toolstack->open_plane(std::move(plane)));
    BASE_TRY(toolstack->reconcile());
    BASE_TRY(toolstack->open_pool());
    return toolstack;
}

ToolstackImpl::ToolstackImpl(ToolstackSettings settings, std::unique_ptr<hypervisor::Hypervisor> hypervisor,
                             Observer& observer, Registry registry)
    : settings_(std::move(settings)),
      console_dir_(settings_.state_dir + "/console"),
      hypervisor_(std::move(hypervisor)),
      observer_(observer),
      registry_(std::move(registry)) {}

ToolstackImpl::~ToolstackImpl() {
    pool_.reset();
    const auto loads = loader_.stop();
    networks_.reset();
    plane_.reset();  // it lets the lanes go: before domains, and their mappings
    if (lost_) {
        return;
    }
    for (const auto& load : loads) {
        // One that is still wanted stays: the next daemon lets it run if its kernel is in, or undoes it.
        if (domains_.find(load.domain->id()) == nullptr) {
            destroy_quietly(*load.domain);
        }
    }
    domains_.for_each([this](const LiveDomain& live) {
        if (!live.unsaved) {
            return;
        }
        if (const auto saved = registry_.save(live.record); !saved) {
            base::log(base::Level::warn, saved.error().message);
        }
    });
}

Result<void> ToolstackImpl::open_plane(std::unique_ptr<noxs::DataPlane> plane) {
    plane_ = std::move(plane);
    BASE_ASSIGN(networks_, Networks::open(settings_.state_dir, *plane_));
    epoll_ = base::Fd(::epoll_create1(EPOLL_CLOEXEC));
    for (const int fd : {hypervisor_->poll_fd(), plane_->poll_fd(), networks_->poll_fd()}) {
        epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
        if (!epoll_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
            return base::fail_errno(errno, "the event loop's descriptor");
        }
    }
    return {};
}

Result<void> ToolstackImpl::open_pool() {
    const auto prepare = [this](const Shape& shape) {
        registry_.stock();
        return prepare_shell(*hypervisor_, shape, site());
    };
    const unsigned capacity = max_domains();
    BASE_ASSIGN(auto pool, Pool::open(prepare, capacity, settings_.flavours));
    pool_.emplace(std::move(pool));
    pool_->set_domains(static_cast<unsigned>(domains_.size()));
    // Guests that died while no daemon was there; some restart, which takes a pool.
    for (const auto& [domain, death] : std::exchange(deaths_, {})) {
        finish_death(domain, death);
    }
    return {};
}

}  // namespace split
