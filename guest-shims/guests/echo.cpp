// SPDX-License-Identifier: Apache-2.0
// Echoes the lines of its console; the line "exit" powers it off.
#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/system.hpp"

std::int32_t guest::run(System& system) {
    Console console(system);
    system.ready();
    char space[256];
    for (;;) {
        const std::string_view line = console.read_line(space);
        if (line == "exit") {
            return 0;
        }
        console.print("{}\n", line);
    }
}
