// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "noxs/backends.hpp"
#include "noxs/console.hpp"

namespace noxs {

/// Backend of the console that a guest of somebody else finds by Xen's own means (start info, HVM parameters): one
/// page, granted under hypervisor::foreign_console_ref, and one event channel. There is no control page and no
/// handshake; the ring counts as connected from the start.
class XenConsole final : public Console {
 public:
    /// After Domain::load, before its guest runs (fresh) or while it may run (adopted). `port` is the first channel of
    /// the domain. Errors of a fresh one: those of Domain::map_grant. An adopted guest that has withdrawn its grant
    /// has a console that says nothing more, and that is no error.
    static Result<std::unique_ptr<XenConsole>> open(hypervisor::Domain& domain, base::EvtchnPort port,
                                                    BackendListener& listener, Settings settings, Origin origin);

 private:
    using Console::Console;
};

}  // namespace noxs
