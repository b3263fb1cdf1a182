// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/split-toolstack/toolstack_fixture.hpp"

namespace split {
namespace {

using hypervisor::DeathKind;
using noxs::wire::ShutdownReason;
using test_support::Verb;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ReconcileTest : public ToolstackTest {
 protected:
    base::DomId created(const std::function<void(VmConfig&)>& change = [](VmConfig&) {}) {
        open();
        auto order = config("web");
        change(order);
        const auto id = create(order);
        EXPECT_TRUE(id) << id.error().message;
        recorder.take();
        return id.value_or(base::DomId{});
    }
    hypervisor::Phase phase(base::DomId id) { return machine->find(id)->phase; }
    void set_phase(base::DomId id, hypervisor::Phase phase) { machine->find(id)->phase = phase; }
};

TEST_F(ReconcileTest, AdoptsARunningGuestWithItsConsole) {
    const auto id = created([](VmConfig& c) { c.cmdline = "kept"; });
    guest(id).ready();
    guest(id).say("before ");
    toolstack->poll();
    const auto before = toolstack->view(id);
    recorder.take();
    reopen();
    EXPECT_THAT(recorder.take(), ElementsAre("adopted web")) << "ready is not told twice";
    guest(id).say("after");
    toolstack->poll();
    EXPECT_EQ(toolstack->console_log(id)->bytes, "before after");
    const auto after = toolstack->view(id);
    EXPECT_TRUE(after->ready);
    EXPECT_EQ(after->ready_ns, before->ready_ns) << "a daemon that stops in good order keeps what it measured";
    EXPECT_EQ(after->created_unix_ms, before->created_unix_ms);
    EXPECT_EQ(toolstack->details(id)->config.cmdline, "kept");
    EXPECT_EQ(toolstack->metrics().adopted, 1u);
    guest(id).end(ShutdownReason::power_off);
    toolstack->poll();
    expect_nothing_left();
}

TEST_F(ReconcileTest, WritesMeasurementsOnceItIsQuiet) {
    const auto id = created();
    guest(id).ready();
    toolstack->poll();
    ASSERT_TRUE(toolstack->deadline());
    ASSERT_TRUE(test_support::eventually([this] {
        toolstack->poll();
        return !toolstack->deadline();
    }));
    std::ifstream in(dir.file("state/domains/1.json"));
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    EXPECT_THAT(text, HasSubstr("\"ready_ns\":" + std::to_string(toolstack->view(id)->ready_ns)));
}

TEST_F(ReconcileTest, HearsWhatWasSaidWhileNoDaemonWasThere) {
    const auto id = created();
    toolstack.reset();
    guest(id).ready();
    guest(id).say("alone");
    open();
    EXPECT_THAT(recorder.take(), ElementsAre("adopted web", "ready web"));
    EXPECT_EQ(toolstack->console_log(id)->bytes, "alone");
}

TEST_F(ReconcileTest, AdoptsAGuestWithoutConsole) {
    const auto id = created([](VmConfig& c) { c.console = false; });
    reopen();
    EXPECT_EQ(toolstack->console_log(id).error().code, base::Code::unsupported);
}

TEST_F(ReconcileTest, FinishesALaunchThatWasCutOffBeforeTheStart) {
    const auto id = created();
    toolstack.reset();
    set_phase(id, hypervisor::Phase::loaded);
    open();
    EXPECT_EQ(phase(id), hypervisor::Phase::started);
    EXPECT_EQ(toolstack->view(id)->state, State::running);
    EXPECT_THAT(recorder.take(), ElementsAre("adopted web"));
}

TEST_F(ReconcileTest, KeepsALoadedDomainPaused) {
    const auto id = created([](VmConfig& c) { c.paused = true; });
    reopen();
    EXPECT_EQ(phase(id), hypervisor::Phase::loaded);
    EXPECT_EQ(toolstack->view(id)->state, State::paused);
    ASSERT_TRUE(toolstack->unpause(id));
    EXPECT_EQ(phase(id), hypervisor::Phase::started);
}

TEST_F(ReconcileTest, FinishesAPauseAndAnUnpause) {
    const auto id = created();
    ASSERT_TRUE(toolstack->pause(id));
    toolstack.reset();
    machine->find(id)->paused = false;
    open();
    EXPECT_TRUE(machine->find(id)->paused);
    ASSERT_TRUE(toolstack->unpause(id));
    toolstack.reset();
    machine->find(id)->paused = true;
    open();
    EXPECT_FALSE(machine->find(id)->paused);
    EXPECT_EQ(toolstack->view(id)->state, State::running);
}

TEST_F(ReconcileTest, UndoesALaunchThatWasCutOffBeforeTheImage) {
    const auto id = created();
    toolstack.reset();
    set_phase(id, hypervisor::Phase::shell);
    open();
    EXPECT_EQ(toolstack->metrics().undone, 1u);
    EXPECT_THAT(recorder.take(), IsEmpty());
    expect_nothing_left();
}

TEST_F(ReconcileTest, DestroysWhatHasNoRecord) {
    const auto id = created();
    toolstack.reset();
    std::filesystem::remove(settings.state_dir + "/domains/" + std::to_string(id.value) + ".json");
    open();
    EXPECT_THAT(recorder.take(), IsEmpty());
    expect_nothing_left();
}

TEST_F(ReconcileTest, ReportsADomainThatIsGoneAndKeepsItsConsole) {
    const auto id = created();
    guest(id).say("last");
    toolstack->poll();
    toolstack.reset();
    machine->remove(id);
    open();
    EXPECT_THAT(recorder.take(), ElementsAre("lost web"));
    EXPECT_EQ(toolstack->console_log(id)->bytes, "last");
    expect_nothing_left();
}

TEST_F(ReconcileTest, ADeathMeanwhileIsADeathNow) {
    const auto id = created();
    toolstack.reset();
    guest(id).say("bye");
    guest(id).end(ShutdownReason::power_off, 6);
    open();
    EXPECT_THAT(recorder.take(), ElementsAre("adopted web", "shutdown web", "destroyed web"));
    EXPECT_EQ(recorder.events[2].code, 6);
    EXPECT_EQ(toolstack->console_log(id)->bytes, "bye");
    expect_nothing_left();
}

TEST_F(ReconcileTest, ARebootMeanwhileRestarts) {
    const auto id = created();
    toolstack.reset();
    guest(id).end(ShutdownReason::reboot);
    open();
    EXPECT_THAT(recorder.take(), ElementsAre("adopted web", "destroyed web", "created web", "rebooted web"));
    EXPECT_EQ(machine->count(hypervisor::Phase::started), 1u);
}

TEST_F(ReconcileTest, APreservedDomainIsPreservedAgain) {
    const auto id = created([](VmConfig& c) { c.on_crash = EndAction::preserve; });
    machine->die(id, {.kind = DeathKind::crashed, .signal = 11});
    toolstack->poll();
    reopen();
    EXPECT_EQ(toolstack->view(id)->state, State::crashed);
}

TEST_F(ReconcileTest, ShellsOfTheEarlierDaemonAreDestroyed) {
    settings.flavours = {{base::mib(4), 1, 3, 3}};
    open();
    ASSERT_TRUE(test_support::eventually([this] { return toolstack->pool_status()[0].ready == 3; }));
    machine->fail(Verb::destroy, base::Code::io_error, 0, 3);
    toolstack.reset();
    EXPECT_EQ(machine->ids().size(), 3u) << "as a killed daemon leaves them";
    settings.flavours.clear();
    open();
    expect_nothing_left();
}

TEST_F(ReconcileTest, ADamagedRecordDoesNotStopTheOthers) {
    const auto id = created();
    const auto other = create_named("other");
    toolstack.reset();
    dir.write("state/domains/" + std::to_string(other.value) + ".json", std::string("{\"version\":1"));
    dir.write("state/console/999.log", std::string("stray"));
    recorder.take();
    open();
    EXPECT_THAT(recorder.take(), ElementsAre("adopted web"));
    EXPECT_EQ(machine->ids(), std::vector{id});
    EXPECT_FALSE(std::filesystem::exists(dir.file("state/console/999.log")));
}

TEST_F(ReconcileTest, ARecordOfImpossibleDevicesIsNotAdopted) {
    const auto id = created();
    toolstack.reset();
    std::ifstream in(dir.file("state/domains/1.json"));
    std::string text((std::istreambuf_iterator<char>(in)), {});
    const std::string gfn = "\"control_gfn\":21";
    ASSERT_NE(text.find(gfn), std::string::npos);
    text.replace(text.find(gfn), gfn.size(), "\"control_gfn\":9999999");
    dir.write("state/domains/1.json", text);
    open();
    EXPECT_THAT(recorder.take(), ElementsAre("lost web"));
    EXPECT_EQ(machine->find(id), nullptr);
    expect_nothing_left();
}

TEST_F(ReconcileTest, ADriverThatCanNotListIsAnError) {
    machine->fail(Verb::adopt, base::Code::unavailable);
    const auto opened = Toolstack::open(settings, std::make_unique<test_support::FakeHypervisor>(machine), recorder,
                                        std::make_unique<test_support::FakeDataPlane>(plane));
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, HasSubstr("injected"));
}

}  // namespace
}  // namespace split
