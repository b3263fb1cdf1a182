// SPDX-License-Identifier: Apache-2.0
// The smallest guest: says ready, then waits for requests. Touches no console.
#include "guest-shims/frontends/system.hpp"

std::int32_t guest::run(System& system) {
    system.ready();
    for (;;) {
        system.wait();
    }
}
