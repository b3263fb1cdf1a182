// SPDX-License-Identifier: Apache-2.0
// Guests that others built, on a hypervisor that has a loader for them.
#include "tests/unit/split-toolstack/toolstack_fixture.hpp"

namespace split {
namespace {

using hypervisor::DeathKind;
using hypervisor::GuestKind;
using test_support::Verb;
using testing::ElementsAre;
using testing::HasSubstr;

class ForeignGuest : public ToolstackTest {
 protected:
    ForeignGuest() {
        machine->capabilities.foreign_kernels = true;
        kernel = dir.write("vmlinuz", test_support::build_bzimage());
    }
    /// Polls until it runs, or its loader has refused it.
    bool loaded(base::DomId id) {
        return test_support::eventually([this, id] {
            toolstack->poll();
            return !toolstack->view(id) || toolstack->is_ready(id);
        });
    }
    Result<base::DomId> launch(const VmConfig& order) {
        auto id = create(order);
        EXPECT_TRUE(!id || loaded(*id));
        return id;
    }
    base::DomId launch_named(const std::string& name) {
        const auto id = launch(config(name));
        EXPECT_TRUE(id) << id.error().message;
        return id.value_or(base::DomId{});
    }
    std::string error_of(const VmConfig& order, base::Code code) {
        const auto checked = toolstack->check(order);
        const auto created = create(order);
        EXPECT_FALSE(created);
        EXPECT_FALSE(checked);
        EXPECT_EQ(checked.error().message, created.error().message) << "a dry run says the same";
        EXPECT_EQ(created.error().code, code);
        expect_nothing_left();
        return created.error().message;
    }
};

TEST_F(ForeignGuest, BootsThroughTheDriversLoader) {
    settings.flavours = {{base::mib(4), 1, 1, 1}};
    open();
    ASSERT_TRUE(test_support::eventually([this] { return toolstack->pool_status()[0].ready == 1; }));
    auto order = config("linux");
    order.cmdline = "console=hvc0";
    order.ramdisk = dir.write("initrd", std::string("files"));
    const auto id = launch(order);
    ASSERT_TRUE(id) << id.error().message;
    const auto* guest = machine->find(*id);
    EXPECT_EQ(guest->spec.kind, GuestKind::pvh);
    EXPECT_EQ(guest->phase, hypervisor::Phase::started);
    EXPECT_EQ(guest->file, test_support::build_bzimage());
    EXPECT_EQ(guest->cmdline, "console=hvc0");
    EXPECT_EQ(guest->ramdisk.size(), 5u);
    EXPECT_EQ(guest->ports, 1u) << "the channel of its console";
    const auto view = toolstack->view(*id);
    EXPECT_EQ(view->kind, GuestKind::pvh);
    EXPECT_FALSE(view->from_pool);
    EXPECT_EQ(toolstack->pool_status()[0].ready, 1u);
    for (const auto phase :
         {Phase::reserve, Phase::channels, Phase::image, Phase::devices, Phase::record, Phase::boot}) {
        EXPECT_NE(view->timing[static_cast<std::size_t>(phase)], 0u) << phase_name(phase);
    }
    ASSERT_TRUE(toolstack->destroy(*id));
    EXPECT_FALSE(has_record(*id));
}

TEST_F(ForeignGuest, XenPvhForcesTheKind) {
    open();
    auto order = config("linux");
    order.pvh = false;
    const auto id = launch(order);
    ASSERT_TRUE(id) << id.error().message;
    EXPECT_EQ(machine->find(*id)->spec.kind, GuestKind::pv);
    EXPECT_EQ(toolstack->details(*id)->config.pvh, false);
}

TEST_F(ForeignGuest, IsReadyOnceItRuns) {
    open();
    const auto id = launch_named("linux");
    EXPECT_TRUE(toolstack->is_ready(id));
    EXPECT_NE(toolstack->view(id)->ready_ns, 0u);
    auto order = config("later");
    order.paused = true;
    const auto later = create(order).value();
    EXPECT_FALSE(toolstack->is_ready(later));
    ASSERT_TRUE(toolstack->unpause(later));
    EXPECT_TRUE(loaded(later));
    EXPECT_TRUE(toolstack->view(later)->ready);
    EXPECT_THAT(recorder.take(),
                ElementsAre("created linux", "ready linux", "unpaused later", "created later", "ready later"));
}

TEST_F(ForeignGuest, ItsConsoleGoesBothWaysAndIsKept) {
    open();
    const auto id = launch_named("linux");
    guest(id).say("Linux version 6.1\n");
    toolstack->poll();
    EXPECT_EQ(recorder.console, "Linux version 6.1\n");
    EXPECT_EQ(toolstack->console_write(id, std::string_view("ls\n")).value(), 3u);
    EXPECT_EQ(guest(id).input(), "ls\n");
    guest(id).say("bye");
    machine->die(id, {.kind = DeathKind::exited});
    toolstack->poll();
    EXPECT_EQ(toolstack->console_log(id)->bytes, "Linux version 6.1\nbye");
    EXPECT_THAT(recorder.take(), ElementsAre("created linux", "ready linux", "shutdown linux", "destroyed linux"));
    expect_nothing_left();
}

TEST_F(ForeignGuest, WithoutConsoleItHasNoChannelForOne) {
    open();
    auto order = config("mute");
    order.console = false;
    const auto id = launch(order);
    ASSERT_TRUE(id);
    EXPECT_EQ(machine->find(*id)->ports, 0u);
    EXPECT_EQ(toolstack->console_log(*id).error().code, base::Code::unsupported);
}

TEST_F(ForeignGuest, ALaterDaemonServesItsConsole) {
    open();
    const auto id = launch_named("linux");
    guest(id).say("before ");
    toolstack->poll();
    toolstack.reset();
    guest(id).say("meanwhile ");
    recorder.take();
    open();
    EXPECT_THAT(recorder.take(), ElementsAre("adopted linux"));
    EXPECT_EQ(toolstack->view(id)->kind, GuestKind::pvh);
    EXPECT_TRUE(toolstack->is_ready(id));
    toolstack->poll();
    guest(id).say("after");
    toolstack->poll();
    EXPECT_EQ(toolstack->console_log(id)->bytes, "before meanwhile after");
    EXPECT_EQ(toolstack->console_write(id, std::string_view("x")).value(), 1u);
    ASSERT_TRUE(toolstack->destroy(id));
    expect_nothing_left();
}

TEST_F(ForeignGuest, IsAdoptedWithAWithdrawnConsole) {
    open();
    const auto id = launch_named("linux");
    toolstack.reset();
    machine->fail(Verb::map_grant, base::Code::protocol_error);
    open();
    ASSERT_TRUE(toolstack->view(id));
    EXPECT_EQ(toolstack->console_write(id, std::string_view("x")).value(), 0u);
}

TEST_F(ForeignGuest, CanNotBeAskedToShutDown) {
    open();
    const auto id = launch_named("linux");
    for (const auto& done : {toolstack->shutdown(id), toolstack->reboot(id)}) {
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().code, base::Code::unsupported);
        EXPECT_THAT(done.error().message, HasSubstr("chaos destroy"));
    }
    toolstack->poll();
    EXPECT_TRUE(toolstack->view(id)) << "and is not ended by force either";
}

TEST_F(ForeignGuest, RebootsByItself) {
    open();
    const auto id = launch_named("linux");
    recorder.take();
    machine->die(id, {.kind = DeathKind::rebooted});
    toolstack->poll();
    const auto again = toolstack->find("linux");
    ASSERT_TRUE(again);
    EXPECT_TRUE(loaded(*again));
    EXPECT_THAT(recorder.take(), ElementsAre("destroyed linux", "rebooted linux", "created linux", "ready linux"));
    EXPECT_NE(*again, id);
    EXPECT_EQ(machine->find(*again)->spec.kind, GuestKind::pvh);
}

TEST_F(ForeignGuest, GetsNoDevices) {
    open();
    auto order = config("linux");
    order.vifs.emplace_back();
    EXPECT_THAT(error_of(order, base::Code::unsupported), HasSubstr("gets a console only; remove vifs"));
    order.vbds.emplace_back();
    EXPECT_THAT(error_of(order, base::Code::unsupported), HasSubstr("remove vifs and vbds"));
    order.vifs.clear();
    EXPECT_THAT(error_of(order, base::Code::unsupported), HasSubstr("remove vbds"));
}

TEST_F(ForeignGuest, ItsFilesMustFit) {
    open();
    auto order = config("linux");
    order.ramdisk = dir.write("initrd", std::string(base::mib(4).value, 'x'));
    EXPECT_THAT(error_of(order, base::Code::invalid_image), HasSubstr("needs more than 5 MiB, domain has 4 MiB"));
}

TEST_F(ForeignGuest, NeedsADriverThatCan) {
    machine->capabilities.foreign_kernels = false;
    open();
    EXPECT_THAT(error_of(config("linux"), base::Code::unsupported),
                HasSubstr("is a Linux kernel (bzImage), which only Xen boots; this is the driver fake"));
}

TEST_F(ForeignGuest, AFailureAtAnyStepLeavesNothing) {
    open();
    for (const auto verb : {Verb::create_shell, Verb::open_channel}) {
        machine->fail(verb, base::Code::io_error);
        EXPECT_FALSE(create(config("x"))) << static_cast<int>(verb);
        expect_nothing_left();
    }
    EXPECT_TRUE(toolstack->is_ready(launch_named("x")));
}

TEST_F(ForeignGuest, WhatItsLoaderRefusesEndsWithTheReason) {
    open();
    for (const auto verb : {Verb::load, Verb::map_grant, Verb::start}) {
        recorder.take();
        machine->fail(verb, base::Code::invalid_image);
        const auto id = create(config("x"));
        ASSERT_TRUE(id);
        ASSERT_TRUE(loaded(*id));
        EXPECT_THAT(recorder.take(), ElementsAre("crashed x", "destroyed x")) << static_cast<int>(verb);
        const auto& crash = *std::prev(recorder.events.end(), 2);
        EXPECT_EQ(crash.why, base::Code::invalid_image);
        EXPECT_FALSE(crash.detail.empty());
        expect_nothing_left();
    }
}

TEST_F(ForeignGuest, CanBeUsedWhileItIsLoaded) {
    open();
    const auto id = create(config("linux")).value();
    EXPECT_EQ(toolstack->list().size(), 1u);
    EXPECT_TRUE(toolstack->details(id));
    EXPECT_EQ(toolstack->console_log(id)->bytes, "");
    EXPECT_EQ(toolstack->console_write(id, std::string_view("x")).value(), 0u);
    ASSERT_TRUE(toolstack->pause(id));
    ASSERT_TRUE(toolstack->rename(id, "gnu"));
    ASSERT_TRUE(toolstack->unpause(id));
    EXPECT_TRUE(loaded(id));
    EXPECT_EQ(toolstack->view(id)->name, "gnu");
}

TEST_F(ForeignGuest, TheClockBringsItsLoadToAnEnd) {
    open();
    const auto id = create(config("linux")).value();
    // As the daemon does it: poll when the deadline has passed, and not before.
    EXPECT_TRUE(test_support::eventually([&] {
        if (toolstack->deadline().value_or(Clock::time_point::max()) <= Clock::now()) {
            toolstack->poll();
        }
        return toolstack->is_ready(id);
    }));
}

TEST_F(ForeignGuest, PausedWhileItIsLoadedItWaits) {
    open();
    const auto id = create(config("linux")).value();
    ASSERT_TRUE(toolstack->pause(id));
    EXPECT_TRUE(test_support::eventually([&] {
        toolstack->poll();
        return toolstack->details(id)->host.phase == hypervisor::Phase::loaded;
    }));
    EXPECT_FALSE(toolstack->is_ready(id));
    ASSERT_TRUE(toolstack->unpause(id));
    EXPECT_TRUE(toolstack->is_ready(id));
}

TEST_F(ForeignGuest, DestroyedWhileItIsLoadedItIsGone) {
    open();
    const auto id = create(config("linux")).value();
    ASSERT_TRUE(toolstack->destroy(id));
    EXPECT_FALSE(toolstack->view(id));
    EXPECT_TRUE(test_support::eventually([this] {
        toolstack->poll();
        return machine->ids().empty();
    }));
    expect_nothing_left();
}

TEST_F(ForeignGuest, DestroyedWhileItIsLoadedItDoesNotOutliveTheDaemon) {
    open();
    for (const auto* name : {"one", "two", "three"}) {
        ASSERT_TRUE(toolstack->destroy(create(config(name)).value()));
    }
    toolstack.reset();
    EXPECT_TRUE(machine->ids().empty());
}

TEST_F(ForeignGuest, ADaemonThatEndsWhileItLoadsLeavesAGuestOrNone) {
    open();
    const auto id = create(config("linux")).value();
    reopen();
    if (toolstack->view(id)) {  // its load was through
        EXPECT_EQ(machine->find(id)->phase, hypervisor::Phase::started);
        ASSERT_TRUE(toolstack->destroy(id));
    }
    expect_nothing_left();
}

}  // namespace
}  // namespace split
