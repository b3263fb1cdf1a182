// SPDX-License-Identifier: Apache-2.0
// Greets, tells what it runs on, and powers off. Command line: [NAME] [name=NAME] [exit=CODE].
#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/runtime/cmdline.hpp"

namespace guest {

namespace {

std::string_view name_of(std::string_view cmdline) {
    const std::string_view name = option(cmdline, "name").value_or(first_bare_word(cmdline));
    return name.empty() ? "a guest" : name;
}

}  // namespace

std::int32_t run(System& system) {
    const Nanoseconds begin = system.platform().monotonic();
    system.ready();
    const Nanoseconds up = system.platform().monotonic();

    Console console(system);
    const auto& boot = system.boot();
    format(console, "Hello from {}, running on the {} platform.\n", name_of(boot.cmdline), system.platform().name());
    format(console, "Memory: {} KiB, of which {} KiB are free.\n", boot.ram_size() >> 10,
           system.heap().available() >> 10);
    format(console, "Ready {} us after its first line of code, at {} s of Unix time.\n",
           (up.value - begin.value) / 1000, system.platform().wall_clock().value / 1'000'000'000);
    if (!boot.cmdline.empty()) {
        format(console, "Command line: {}\n", boot.cmdline);
    }
    console.flush();
    return number_option(boot.cmdline, "exit").value_or(0);
}

}  // namespace guest
