// SPDX-License-Identifier: Apache-2.0
// Shells that somebody killed while they were parked.
#include "tests/unit/split-toolstack/toolstack_fixture.hpp"

namespace split {
namespace {

using hypervisor::DeathKind;
using test_support::eventually;
using testing::ElementsAre;

constexpr hypervisor::Death killed{.kind = DeathKind::killed, .signal = 9};

class DeadShell : public ToolstackTest {
 protected:
    DeadShell() { settings.flavours = {{base::mib(4), 1, 4, 4}}; }
    void open_full() {
        open();
        ASSERT_TRUE(eventually([this] { return toolstack->pool_status()[0].ready == 4; }));
    }
};

TEST_F(DeadShell, AnotherDomainTakesItsPlace) {
    open_full();
    auto order = config("web");
    order.cmdline = "hello";
    const auto id = create(order).value();
    ASSERT_TRUE(toolstack->view(id)->from_pool);
    machine->die(id, killed);
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("created web", "destroyed web", "created web", "rebooted web"));
    const auto again = toolstack->find("web");
    ASSERT_TRUE(again);
    EXPECT_EQ(recorder.events.back().detail, std::to_string(again->value));
    EXPECT_FALSE(toolstack->view(*again)->from_pool) << "all shells may be dead";
    EXPECT_EQ(machine->find(*again)->cmdline, "hello");
    EXPECT_FALSE(has_record(id));
    EXPECT_EQ(toolstack->metrics().died, 0u);
}

TEST_F(DeadShell, TheNewOneIsNotMadeAgain) {
    open_full();
    machine->die(create_named("web"), killed);
    toolstack->poll();
    recorder.take();
    machine->die(toolstack->find("web").value(), killed);
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("crashed web", "destroyed web"));
}

TEST_F(DeadShell, APausedDomainStaysPaused) {
    open_full();
    auto order = config("web");
    order.paused = true;
    machine->die(create(order).value(), killed);
    toolstack->poll();
    const auto again = toolstack->find("web").value();
    EXPECT_EQ(machine->find(again)->phase, hypervisor::Phase::loaded);
    EXPECT_EQ(toolstack->view(again)->state, State::paused);
}

TEST_F(DeadShell, WhatTheDriverFindsOutItselfIsNotEvenSeen) {
    open_full();
    for (const auto shell : machine->ids()) {
        machine->die(shell, killed);
    }
    for (const auto* name : {"a", "b", "c", "d", "e"}) {
        const auto id = create_named(name);
        ASSERT_NE(machine->find(id), nullptr);
        EXPECT_EQ(machine->find(id)->phase, hypervisor::Phase::started);
    }
    toolstack->poll();
    EXPECT_EQ(toolstack->list().size(), 5u);
    EXPECT_EQ(toolstack->metrics().failed, 0u);
}

TEST_F(DeadShell, AGuestThatDidSomethingWasKilled) {
    open_full();
    const auto ended_as_killed = [this](base::DomId id) {
        machine->die(id, killed);
        toolstack->poll();
        return !toolstack->find("web");
    };
    auto id = create_named("web");
    guest(id).ready();
    EXPECT_TRUE(ended_as_killed(id));
    id = create_named("web");
    guest(id).say("hello");
    EXPECT_TRUE(ended_as_killed(id));
    id = toolstack->create(config("web"), Clock::now() - std::chrono::seconds(2), 500).value();
    EXPECT_TRUE(ended_as_killed(id)) << "a shell that was dead is found out sooner";
    id = create_named("web");
    machine->die(id, {.kind = DeathKind::crashed, .signal = 11});
    toolstack->poll();
    EXPECT_FALSE(toolstack->find("web"));
}

}  // namespace
}  // namespace split
