// SPDX-License-Identifier: Apache-2.0
// What confines chaos-hv itself; every domain inherits it.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace hypervisor::process {

/// Gives up what chaos-hv and its domains never need: moves into empty namespaces (network, mounts, IPC, UTS) where the
/// host permits, drops every capability for good, sets no_new_privs. Returns what was not permitted, each in words with
/// its fix; that weakens the second line of defence only.
base::Result<std::vector<std::string>> confine_self();

}  // namespace hypervisor::process
