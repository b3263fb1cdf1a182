// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest-shims/frontends/system.hpp"

namespace guest {

/// What lwIP asks of the guest (net_hooks.h, sys_now) goes to `system`. Before anything of lwIP is called.
void set_net_system(System& system);

}  // namespace guest
