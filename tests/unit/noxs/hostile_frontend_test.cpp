// SPDX-License-Identifier: Apache-2.0
// A frontend that breaks every rule: the backends close its devices and go on.
#include <gtest/gtest.h>

#include <iterator>
#include <random>

#include "base/log.hpp"
#include "noxs/backends/console.hpp"
#include "noxs/backends/sysctl.hpp"
#include "tests/unit/noxs/console_guest.hpp"

namespace noxs {
namespace {

using test_support::FakeDomain;
using wire::State;

struct HostileFrontend : test_support::ConsoleGuest {};

TEST_F(HostileFrontend, WithImpossibleOutputIndicesIsClosed) {
    const auto backend = connected();
    ring().out_prod = 2049;
    EXPECT_EQ(backend->on_event(now), std::nullopt);
    EXPECT_EQ(control().header.backend_state, State::closing);
    EXPECT_TRUE(listener.output.empty());
    control().header.frontend_state = State::closed;
    backend->on_event(now);
    EXPECT_EQ(control().header.backend_state, State::closed);
    ring() = {};
    control().header.frontend_state = State::initialising;
    backend->on_event(now);
    publish_ring();
    print("better now");
    backend->on_event(now);
    EXPECT_EQ(listener.output, "better now") << "it may come back";
}

TEST_F(HostileFrontend, WithImpossibleInputIndicesIsClosed) {
    const auto backend = connected();
    ring().in_cons = 5;
    EXPECT_EQ(backend->write_input(std::string_view("x")), 0U);
    EXPECT_EQ(control().header.backend_state, State::closing);
}

TEST_F(HostileFrontend, WithOddRingIsClosed) {
    for (const std::uint32_t size : {0U, 1U, 4095U, 8192U, 0xffffffffU}) {
        const auto backend = create();
        publish_ring();
        control().ring_size = size;
        backend->on_event(now);
        EXPECT_EQ(control().header.backend_state, State::closing) << size;
    }
}

TEST_F(HostileFrontend, WithForeignGrantIsClosed) {
    for (const std::uint32_t ref : {9U, 511U, 512U, 0xffffffffU}) {
        const auto backend = create();
        publish_ring();
        control().ring_ref = ref;
        backend->on_event(now);
        EXPECT_EQ(control().header.backend_state, State::closing) << ref;
    }
}

TEST_F(HostileFrontend, ThatRewindsConsumedIndexChangesNothing) {
    const auto backend = connected();
    print("once");
    backend->on_event(now);
    ring().out_cons = 0;
    backend->on_event(now);
    EXPECT_EQ(listener.output, "once");
    print("!");
    backend->on_event(now);
    EXPECT_EQ(ring().out_cons, 5U) << "the backend's own count";
}

TEST_F(HostileFrontend, ThatRewritesBackendStateChangesNothing) {
    const auto backend = connected();
    control().header.backend_state = State::closed;
    print("still here");
    backend->on_event(now);
    EXPECT_EQ(listener.output, "still here");
}

TEST_F(HostileFrontend, CantFloodByReopening) {
    throttle = {.bytes_per_second = 1000, .burst = 4096};
    const auto backend = create();
    for (int i = 0; i < 100; ++i) {
        ring() = {};
        control().header.frontend_state = State::initialising;
        backend->on_event(now);
        publish_ring();
        print(std::string(2048, 'f'));
        control().header.frontend_state = State::closing;
        backend->on_event(now);
    }
    EXPECT_LE(listener.output.size(), 4096U);
}

/// Mostly plausible values, so that the walk gets past the first check.
std::uint32_t nasty(std::mt19937& random) {
    constexpr std::uint32_t values[] = {0,   1,    2,    3,    4,    5,    6,          8,          511,
                                        512, 1024, 2047, 2048, 2049, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
    const auto pick = random() % (std::size(values) + 2);
    return pick < std::size(values) ? values[pick] : static_cast<std::uint32_t>(random());
}

TEST_F(HostileFrontend, ThatFlipsEveryFieldBreaksNothing) {
    base::set_log_level(base::Level::error);  // each new backend would say it once
    std::mt19937 random(20240601);
    auto console = create();
    domain.grant_page(ring_ref, ring_gfn);
    const auto sysctl_page = FakeDomain::control_gfn + 1;
    auto sysctl = *SysctlBackend::create(domain, entry(), *domain.map_pages(base::Gfn(sysctl_page), 1), listener);
    const std::span<std::uint32_t> targets[] = {
        {&domain.page<std::uint32_t>(FakeDomain::control_gfn), sizeof(wire::ConsoleControl) / 4},
        {&domain.page<std::uint32_t>(sysctl_page), sizeof(wire::SysctlControl) / 4},
        {&ring().in_cons, 4},
        {&domain.page<std::uint32_t>(FakeDomain::grant_table_gfn), 24},
    };
    unsigned connections = 0;
    for (int round = 0; round < 50'000; ++round) {
        const auto target = targets[random() % std::size(targets)];
        target[random() % target.size()] = nasty(random);
        if (random() % 8 == 0) {
            control().header.frontend_state = static_cast<State>(random() % 7);
            if (random() % 2 == 0) {
                publish_ring();
            }
        }
        now += std::chrono::microseconds(random() % 5000);
        console->on_event(now);
        sysctl->on_event(now);
        connections += console->connected() ? 1 : 0;
        console->write_input(std::string_view("input"));
        if (random() % 64 == 0) {
            console = adopt();
        }
        if (random() % 1024 == 0) {
            console = create();
        }
    }
    base::set_log_level(base::Level::info);
    EXPECT_LE(listener.ready, 1U);
    EXPECT_LE(listener.shutdowns.size(), 1U);
    EXPECT_GT(connections, 100U) << "the walk must reach the connected state";
    EXPECT_FALSE(listener.output.empty());
    EXPECT_LE(console->log_text().bytes.size(), 4096U);
}

}  // namespace
}  // namespace noxs
