// SPDX-License-Identifier: Apache-2.0
// Forwards IPv4 between the networks of its two vifs, as ClickOS's middleboxes do. Both vifs need "spoof_check": false:
// it sends what others sent. Command line:
//   allow=RULE deny=RULE ...   the packet filter (net/rules.hpp): the first that matches decides
//   report=SECONDS             prints the counters that often, when they changed; else on each line of input
#include <new>

#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/net/forwarder.hpp"
#include "guest-shims/net/rules.hpp"
#include "guest-shims/runtime/cmdline.hpp"

namespace guest {

namespace {

constexpr std::int32_t exit_bad_rule = 2;
constexpr Vif::Pools pools{.rx = 256, .tx = 256};

void report(Console& console, const ForwardCounters& counters) {
    console.print("router: forwarded {}, denied {}, bad {}, unreachable {}, no room {}\n", counters.forwarded,
                  counters.denied, counters.bad, counters.unreachable, counters.no_room);
}

[[noreturn]] void report_each(System& system, Console& console, const Forwarder& forwarder, std::uint64_t interval) {
    std::uint64_t told = 0;
    for (std::uint64_t at = system.platform().monotonic().value + interval;;) {
        const std::uint64_t now = system.platform().monotonic().value;
        const auto& counters = forwarder.counters();
        const std::uint64_t all = counters.forwarded + counters.denied + counters.bad + counters.unreachable;
        if (now >= at && all != told) {
            report(console, counters);
            told = all;
            at = now + interval;
        }
        system.wait(Nanoseconds{at > now ? at - now : interval});
    }
}

}  // namespace

std::int32_t run(System& system) {
    Console console(system);
    Rules rules;
    if (!rules.parse(system.cmdline())) {
        console.print("router: not a rule: {}\n", rules.bad());
        return exit_bad_rule;
    }
    auto* memory = system.allocate(sizeof(Forwarder));
    auto& forwarder = *new (memory) Forwarder(system, rules, pools);
    system.ready();
    if (const auto seconds = number_option(system.cmdline(), "report"); seconds && *seconds > 0) {
        report_each(system, console, forwarder, static_cast<std::uint64_t>(*seconds) * ns_per_second);
    }
    for (char space[64];;) {
        console.read_line(space);
        report(console, forwarder.counters());
    }
}

}  // namespace guest
