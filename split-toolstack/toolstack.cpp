// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/toolstack.hpp"

#include <utility>

#include "base/log.hpp"
#include "split-toolstack/prepare.hpp"
#include "split-toolstack/state_dir.hpp"
#include "split-toolstack/toolstack_impl.hpp"

namespace split {

Result<std::unique_ptr<Toolstack>> Toolstack::open(ToolstackSettings settings,
                                                   std::unique_ptr<hypervisor::Hypervisor> hypervisor,
                                                   Observer& observer) {
    BASE_TRY(make_private_dir(settings.state_dir));
    BASE_TRY(make_private_dir(settings.state_dir + "/console"));
    BASE_ASSIGN(auto registry, Registry::open(settings.state_dir));
    auto toolstack =
        std::make_unique<ToolstackImpl>(std::move(settings), std::move(hypervisor), observer, std::move(registry));
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

Result<void> ToolstackImpl::open_pool() {
    const auto prepare = [this](const hypervisor::ShellSpec& spec) {
        registry_.stock();
        return prepare_shell(*hypervisor_, spec, site());
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
