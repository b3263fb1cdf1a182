// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/xen_console.hpp"

#include <utility>

namespace noxs {

Result<std::unique_ptr<XenConsole>> XenConsole::open(hypervisor::Domain& domain, base::EvtchnPort port,
                                                     BackendListener& listener, Settings settings, Origin origin) {
    std::unique_ptr<XenConsole> console(new XenConsole(domain, port, listener, std::move(settings)));
    auto mapped = domain.map_grant(hypervisor::foreign_console_ref, base::dom0, base::Access::read_write);
    auto used = mapped ? console->use_ring(*std::move(mapped)) : std::unexpected(std::move(mapped).error());
    if (!used && origin == Origin::fresh) {
        return base::fail(std::move(used).error().in("the ring of its Xen console"));
    }
    if (!used) {
        console->break_off(used.error().message);
    }
    return console;
}

}  // namespace noxs
