// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/xen_console.hpp"

#include <gtest/gtest.h>

#include "tests/unit/noxs/console_guest.hpp"

namespace noxs {
namespace {

struct Plain : test_support::ConsoleGuest {
    Plain() { domain.grant_page(hypervisor::foreign_console_ref.value, ring_gfn); }
    std::unique_ptr<XenConsole> open(Origin origin = Origin::fresh) {
        auto console = XenConsole::open(domain, base::EvtchnPort(port), listener, settings(), origin);
        EXPECT_TRUE(console) << console.error().message;
        return *std::move(console);
    }
};

TEST_F(Plain, IsConnectedFromTheStart) {
    const auto console = open();
    EXPECT_EQ(domain.notified(port), 0U);
    print("Mini-OS\n");
    EXPECT_EQ(console->on_event(now), std::nullopt);
    EXPECT_EQ(listener.output, "Mini-OS\n");
    EXPECT_EQ(console->log_text().bytes, "Mini-OS\n");
    EXPECT_EQ(domain.notified(port), 1U);
    EXPECT_EQ(console->write_input(std::string_view("in")), 2U);
    EXPECT_EQ(read_input(), "in");
    EXPECT_EQ(domain.notified(port), 2U);
}

TEST_F(Plain, IsFoundAsAConsole) {
    const std::unique_ptr<Backend> console = open();
    EXPECT_EQ(backend_as<Console>(console.get()), console.get());
}

TEST_F(Plain, FinishesGuestThatNeverRang) {
    const auto console = open();
    print("panic");
    domain.die();
    console->finish();
    EXPECT_EQ(listener.output, "panic");
}

TEST_F(Plain, GoesOnAfterARestart) {
    {
        const auto first = open();
        print("before ");
        first->on_event(now);
        first->write_input(std::string_view("a"));
    }
    print("after");
    const auto second = open(Origin::adopted);
    second->on_event(now);
    EXPECT_EQ(listener.output, "before after");
    second->write_input(std::string_view("b"));
    EXPECT_EQ(read_input(), "ab");
}

TEST_F(Plain, NeedsItsGrantUnlessTheGuestRunsAlready) {
    domain.grant(hypervisor::foreign_console_ref.value) = {};
    EXPECT_FALSE(XenConsole::open(domain, base::EvtchnPort(port), listener, settings(), Origin::fresh));
    const auto console = open(Origin::adopted);
    EXPECT_EQ(console->on_event(now), std::nullopt);
    EXPECT_EQ(console->write_input(std::string_view("x")), 0U);
    console->finish();
}

TEST_F(Plain, LeavesARingWithImpossibleIndices) {
    const auto console = open();
    ring().out_prod = 2049;
    EXPECT_EQ(console->on_event(now), std::nullopt);
    ring().out_prod = 0;
    print("too late");
    console->on_event(now);
    console->finish();
    EXPECT_EQ(listener.output, "");

    const auto input = open();
    ring().in_cons = 7;
    EXPECT_EQ(input->write_input(std::string_view("x")), 0U);
    ring().in_cons = 0;
    EXPECT_EQ(input->write_input(std::string_view("x")), 0U);
}

}  // namespace
}  // namespace noxs
