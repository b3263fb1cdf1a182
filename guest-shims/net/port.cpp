// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/port.hpp"

#include <string_view>

#include "guest-shims/net/include/net_hooks.h"

namespace guest {

namespace {

/// Numbers in advance: asking the platform costs a system call on some of them.
struct RandomPool {
    std::uint32_t numbers[64];
    std::size_t left{0};
};

/// One per guest: lwIP's functions take no context.
System* the_system = nullptr;
RandomPool pool;

}  // namespace

void set_net_system(System& system) {
    the_system = &system;
}

}  // namespace guest

std::uint32_t net_random() {
    auto& pool = guest::pool;
    if (pool.left == 0) {
        guest::the_system->platform().entropy(std::as_writable_bytes(std::span(pool.numbers)));
        pool.left = std::size(pool.numbers);
    }
    return pool.numbers[--pool.left];
}

void net_assertion_failed(const char* what) {
    guest::the_system->panic(std::string_view(what));
}

/// lwIP's clock, in milliseconds.
extern "C" std::uint32_t sys_now() {
    return static_cast<std::uint32_t>(guest::the_system->platform().monotonic().value / 1'000'000);
}
