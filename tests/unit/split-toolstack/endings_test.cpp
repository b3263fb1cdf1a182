// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/ending.hpp"

#include "tests/unit/split-toolstack/toolstack_fixture.hpp"

namespace split {
namespace {

using hypervisor::DeathKind;
using noxs::wire::ShutdownReason;
using test_support::Verb;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Ending, TakesTheGuestsWordsForAnOrderlyExit) {
    const auto of = [](ShutdownReason reason, std::int32_t code) {
        return judge({.kind = DeathKind::exited, .code = code}, {reason, code});
    };
    EXPECT_EQ(of(ShutdownReason::none, 3).text, "exited with code 3");
    EXPECT_EQ(of(ShutdownReason::power_off, 0).text, "powered off");
    EXPECT_EQ(of(ShutdownReason::power_off, 5).code, 5);
    EXPECT_EQ(of(ShutdownReason::reboot, 0).kind, EndKind::reboot);
    EXPECT_EQ(of(ShutdownReason::crash, 1).state, State::crashed);
    EXPECT_EQ(of(ShutdownReason::crash, 1).kind, EndKind::crash);
    EXPECT_EQ(of(ShutdownReason::out_of_memory, 1).text, "out of memory");
    EXPECT_EQ(of(static_cast<ShutdownReason>(77), 1).state, State::shutdown);
    EXPECT_THAT(of(static_cast<ShutdownReason>(77), 1).text, HasSubstr("77"));
}

TEST(Ending, BelievesTheDriverOfACrash) {
    for (const auto kind :
         {DeathKind::crashed, DeathKind::forbidden_call, DeathKind::out_of_memory, DeathKind::killed}) {
        const auto ending = judge({.kind = kind, .signal = 11}, {ShutdownReason::power_off, 0});
        EXPECT_EQ(ending.state, State::crashed);
        EXPECT_EQ(ending.kind, EndKind::crash);
        EXPECT_FALSE(ending.text.empty());
    }
    EXPECT_THAT(judge({.kind = DeathKind::crashed}, {ShutdownReason::out_of_memory, 1}).text,
                HasSubstr("out of memory"));
}

TEST(Ending, TakesTheDriversWordForAReboot) {
    const auto ending = judge({.kind = DeathKind::rebooted}, {});
    EXPECT_EQ(ending.kind, EndKind::reboot);
    EXPECT_EQ(ending.state, State::shutdown);
    EXPECT_EQ(ending.text, "rebooted");
}

TEST(RestartLimit, AllowsSomeInAWindow) {
    RestartLimit limit;
    const auto now = Clock::time_point(std::chrono::hours(1));
    for (unsigned i = 0; i < RestartLimit::most; ++i) {
        EXPECT_TRUE(limit.allow(now));
    }
    EXPECT_FALSE(limit.allow(now));
    EXPECT_TRUE(limit.allow(now + RestartLimit::window * 2));
}

class EndingsTest : public ToolstackTest {
 protected:
    base::DomId create_with(const std::function<void(VmConfig&)>& change) {
        auto order = config("web");
        change(order);
        const auto id = create(order);
        EXPECT_TRUE(id) << id.error().message;
        recorder.take();
        return id.value_or(base::DomId{});
    }
    void crash(base::DomId id) {
        machine->die(id, {.kind = DeathKind::crashed, .signal = 11, .address = 0xdead000, .ip = 0x100123});
        toolstack->poll();
    }
};

TEST_F(EndingsTest, PowerOffDestroysByDefault) {
    open();
    const auto id = create_with([](VmConfig&) {});
    guest(id).end(ShutdownReason::power_off, 4);
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("shutdown web", "destroyed web"));
    EXPECT_EQ(recorder.events[1].code, 4);
    EXPECT_EQ(toolstack->metrics().died, 1u);
    expect_nothing_left();
}

TEST_F(EndingsTest, ReadyIsToldEvenIfTheGuestIsGoneAlready) {
    open();
    const auto id = create_with([](VmConfig&) {});
    guest(id).ready();
    guest(id).say("bye");
    guest(id).end(ShutdownReason::power_off);
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("ready web", "shutdown web", "destroyed web"));
    EXPECT_EQ(recorder.console, "bye");
}

TEST_F(EndingsTest, ACrashIsDescribed) {
    open();
    crash(create_with([](VmConfig&) {}));
    EXPECT_THAT(recorder.take(), ElementsAre("crashed web", "destroyed web"));
    EXPECT_THAT(recorder.events[1].detail, HasSubstr("0xdead000"));
    expect_nothing_left();
}

TEST_F(EndingsTest, APreservedDomainStaysToBeLookedAt) {
    open();
    const auto id = create_with([](VmConfig& c) { c.on_crash = EndAction::preserve; });
    guest(id).say("last words");
    crash(id);
    EXPECT_THAT(recorder.take(), ElementsAre("crashed web"));
    const auto view = toolstack->view(id);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->state, State::crashed);
    EXPECT_EQ(view->death.signal, 11);
    EXPECT_THAT(view->ended, HasSubstr("0xdead000"));
    EXPECT_EQ(toolstack->console_log(id)->bytes, "last words");
    EXPECT_EQ(toolstack->pause(id).error().code, base::Code::bad_state);
    EXPECT_EQ(toolstack->shutdown(id).error().code, base::Code::bad_state);
    EXPECT_EQ(create(config("web")).error().code, base::Code::name_in_use);
    ASSERT_TRUE(toolstack->destroy(id));
    expect_nothing_left();
}

TEST_F(EndingsTest, RebootMakesASuccessorOfTheSameName) {
    open();
    const auto id = create_with([](VmConfig& c) { c.cmdline = "again"; });
    guest(id).end(ShutdownReason::reboot);
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("destroyed web", "created web", "rebooted web"));
    const auto successor = toolstack->find("web");
    ASSERT_TRUE(successor);
    EXPECT_NE(*successor, id);
    EXPECT_EQ(recorder.events.back().domain, id);
    EXPECT_EQ(recorder.events.back().detail, std::to_string(successor->value));
    EXPECT_EQ(machine->find(*successor)->cmdline, "again");
    EXPECT_EQ(machine->ids().size(), 1u);
}

TEST_F(EndingsTest, ACrashLoopIsStopped) {
    open();
    create_with([](VmConfig& c) { c.on_crash = EndAction::restart; });
    for (unsigned i = 0; i < RestartLimit::most; ++i) {
        crash(*toolstack->find("web"));
        ASSERT_EQ(machine->count(hypervisor::Phase::started), 1u);
    }
    crash(*toolstack->find("web"));
    const auto view = toolstack->view(*toolstack->find("web"));
    EXPECT_EQ(view->state, State::crashed);
    EXPECT_THAT(view->ended, HasSubstr("not restarted"));
    EXPECT_THAT(recorder.events.back().detail, HasSubstr("not restarted"));
}

TEST_F(EndingsTest, ARestartThatFailsIsTold) {
    open();
    const auto id = create_with([](VmConfig& c) { c.on_crash = EndAction::restart; });
    machine->fail(Verb::create_shell, base::Code::no_memory);
    crash(id);
    EXPECT_THAT(recorder.take(), ElementsAre("crashed web", "destroyed web", "crashed web"));
    EXPECT_THAT(recorder.events.back().detail, HasSubstr("restart failed: injected"));
    expect_nothing_left();
}

TEST_F(EndingsTest, ShutdownAsksTheGuest) {
    settings.shutdown_grace = std::chrono::hours(1);
    open();
    const auto id = create_with([](VmConfig& c) { c.on_poweroff = EndAction::restart; });
    ASSERT_TRUE(toolstack->shutdown(id));
    EXPECT_EQ(guest(id).requests(), static_cast<std::uint32_t>(noxs::wire::SysctlRequest::power_off));
    toolstack->poll();
    EXPECT_TRUE(toolstack->view(id)) << "it has its grace";
    guest(id).end(ShutdownReason::power_off);
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("shutdown web", "destroyed web")) << "who asks for an end gets one";
    expect_nothing_left();
}

TEST_F(EndingsTest, ShutdownForcesAGuestThatDoesNotListen) {
    open();
    const auto id = create_with([](VmConfig&) {});
    ASSERT_TRUE(toolstack->shutdown(id));
    ASSERT_TRUE(toolstack->deadline());
    EXPECT_LE(*toolstack->deadline(), Clock::now());
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("shutdown web", "destroyed web"));
    EXPECT_THAT(recorder.events[1].detail, HasSubstr("by force"));
    expect_nothing_left();
}

TEST_F(EndingsTest, RebootForcesAGuestThatDoesNotListen) {
    open();
    const auto id = create_with([](VmConfig&) {});
    ASSERT_TRUE(toolstack->reboot(id));
    EXPECT_EQ(guest(id).requests(), static_cast<std::uint32_t>(noxs::wire::SysctlRequest::reboot));
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("destroyed web", "created web", "rebooted web"));
}

TEST_F(EndingsTest, AGuestThatOnlySaysItEndsIsForced) {
    open();
    const auto id = create_with([](VmConfig&) {});
    guest(id).announce(ShutdownReason::power_off, 2);
    toolstack->poll();
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("shutdown web", "destroyed web"));
    EXPECT_EQ(recorder.events[1].code, 2);
    expect_nothing_left();
}

TEST_F(EndingsTest, APausedDomainIsForcedToo) {
    open();
    const auto id = create_with([](VmConfig& c) { c.paused = true; });
    ASSERT_TRUE(toolstack->shutdown(id));
    toolstack->poll();
    expect_nothing_left();
}

}  // namespace
}  // namespace split
