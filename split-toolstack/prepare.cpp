// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/prepare.hpp"

#include <utility>

#include "base/log.hpp"
#include "base/scope_guard.hpp"
#include "split-toolstack/stopwatch.hpp"
#include "split-toolstack/words.hpp"

namespace split {

Result<std::unique_ptr<Shell>> prepare_shell(hypervisor::Hypervisor& hypervisor, const Shape& shape,
                                             const BackendSite& site) {
    auto shell = std::make_unique<Shell>();
    Stopwatch watch(shell->timing);
    BASE_ASSIGN(shell->domain, hypervisor.create_shell(shell_spec(shape)));
    watch.lap(Phase::reserve);
    base::ScopeGuard undo([&shell] { discard(std::move(shell)); });
    BASE_TRY(shell->devices.open_channels(*shell->domain, shape));
    watch.lap(Phase::channels);
    BASE_TRY(shell->devices.write_pages(*shell->domain));
    watch.lap(Phase::noxs_pages);
    BASE_TRY(shell->devices.make_backends(*shell->domain, site));
    watch.lap(Phase::park);
    undo.dismiss();
    return shell;
}

Result<std::unique_ptr<Shell>> prepare_foreign(hypervisor::Hypervisor& hypervisor, const Shape& shape,
                                               const VmConfig& config) {
    auto shell = std::make_unique<Shell>();
    Stopwatch watch(shell->timing);
    BASE_ASSIGN(shell->domain, hypervisor.create_shell(shell_spec(shape)));
    watch.lap(Phase::reserve);
    base::ScopeGuard undo([&shell] { discard(std::move(shell)); });
    if (config.console) {
        BASE_TRY(shell->devices.open_console_channel(*shell->domain));
        watch.lap(Phase::channels);
    }
    undo.dismiss();
    return shell;
}

void destroy_quietly(hypervisor::Domain& domain) {
    if (const auto destroyed = domain.destroy(); !destroyed) {
        base::log(base::Level::warn,
                  words("domain ", domain.id().value, " could not be destroyed: ", destroyed.error().message));
    }
}

void discard(std::unique_ptr<Shell> shell) {
    shell->devices = {};
    destroy_quietly(*shell->domain);
}

}  // namespace split
