// SPDX-License-Identifier: Apache-2.0
#include "tests/support/file_size_limit.hpp"
#include "tests/unit/split-toolstack/toolstack_fixture.hpp"

namespace split {
namespace {

using noxs::wire::DeviceType;
using noxs::wire::ShutdownReason;
using test_support::eventually;
using test_support::Verb;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(ToolstackTest, CreatesADomain) {
    open();
    auto order = config("web");
    order.cmdline = "hello";
    const auto id = create(order);
    ASSERT_TRUE(id) << id.error().message;
    EXPECT_EQ(machine->find(*id)->phase, hypervisor::Phase::started);
    EXPECT_EQ(machine->find(*id)->cmdline, "hello");
    EXPECT_TRUE(has_record(*id));
    EXPECT_TRUE(guest(*id).has(DeviceType::sysctl));
    EXPECT_TRUE(guest(*id).has(DeviceType::console));
    EXPECT_THAT(recorder.take(), ElementsAre("created web"));
    const auto view = toolstack->view(*id);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->state, State::running);
    EXPECT_FALSE(view->from_pool);
    EXPECT_GT(view->total_ns, 0u);
    for (std::size_t i = 0; i < phase_count; ++i) {
        EXPECT_EQ(view->timing[i] != 0, static_cast<Phase>(i) != Phase::ready) << phase_name(static_cast<Phase>(i));
    }
    ASSERT_TRUE(toolstack->destroy(*id));
    EXPECT_THAT(recorder.take(), ElementsAre("destroyed web"));
    expect_nothing_left();
}

TEST_F(ToolstackTest, LaunchesFromThePool) {
    settings.flavours = {{base::mib(4), 1, 2, 4}};
    open();
    ASSERT_TRUE(eventually([this] { return toolstack->pool_status()[0].ready == 2; }));
    const auto id = create_named("a");
    EXPECT_TRUE(toolstack->view(id)->from_pool);
    EXPECT_EQ(toolstack->pool_status()[0].hits, 1u);
    EXPECT_EQ(toolstack->metrics().created, 1u);
    EXPECT_EQ(toolstack->metrics().domains, 1u);
}

TEST_F(ToolstackTest, NamesAreUniqueAndFound) {
    open();
    const auto web = create_named("web");
    const auto again = create(config("web"));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, base::Code::name_in_use);
    const auto anonymous = create_named({});
    EXPECT_EQ(toolstack->view(anonymous)->name, "guest-" + std::to_string(anonymous.value));
    EXPECT_EQ(toolstack->find("web").value(), web);
    EXPECT_EQ(toolstack->find(std::to_string(web.value)).value(), web);
    for (const auto* unknown : {"nobody", "999", "65537", "4294967297", ""}) {
        EXPECT_EQ(toolstack->find(unknown).error().code, base::Code::no_such_domain) << unknown;
    }
    EXPECT_EQ(create(config("12")).error().code, base::Code::invalid_argument);
    EXPECT_EQ(machine->ids().size(), 2u);
}

TEST_F(ToolstackTest, AMadeUpNameYieldsToATakenOne) {
    open();
    create_named("guest-2");
    const auto second = create_named({});
    EXPECT_EQ(second, base::DomId{2});
    EXPECT_EQ(toolstack->view(second)->name, "guest-2-2");
}

TEST_F(ToolstackTest, RejectsWhatCanNotBe) {
    open();
    const auto code_of = [this](const std::function<void(VmConfig&)>& change) {
        auto order = config("x");
        change(order);
        const auto checked = toolstack->check(order);
        const auto created = create(order);
        EXPECT_FALSE(created);
        EXPECT_EQ(checked.error().message, created.error().message);
        return created.error().code;
    };
    EXPECT_EQ(code_of([](VmConfig& c) { c.memory = base::Bytes{5000}; }), base::Code::invalid_config);
    EXPECT_EQ(code_of([](VmConfig& c) { c.memory = base::mib(1); }), base::Code::invalid_config);
    EXPECT_EQ(code_of([](VmConfig& c) { c.memory = base::mib(4096); }), base::Code::limit_reached);
    EXPECT_EQ(code_of([](VmConfig& c) { c.vcpus = 0; }), base::Code::invalid_config);
    EXPECT_EQ(code_of([](VmConfig& c) { c.vcpus = 3; }), base::Code::unsupported);
    EXPECT_EQ(code_of([](VmConfig& c) { c.vifs.resize(99); }), base::Code::limit_reached);
    EXPECT_EQ(code_of([](VmConfig& c) { c.vbds = {{"/nowhere", "", "", ""}}; }), base::Code::not_found);
    EXPECT_EQ(code_of([](VmConfig& c) { c.cmdline = "\xff"; }), base::Code::invalid_config);
    EXPECT_EQ(code_of([](VmConfig& c) { c.kernel = "/nowhere"; }), base::Code::not_found);
    EXPECT_EQ(code_of([](VmConfig& c) { c.ramdisk = "/nowhere"; }), base::Code::not_found);
    EXPECT_EQ(toolstack->metrics().failed, 10u);
    EXPECT_TRUE(recorder.log.empty());
    expect_nothing_left();
}

TEST_F(ToolstackTest, AnImageMustFitItsDomain) {
    test_support::ElfPlan plan;
    plan.segments[0].memsz = base::mib(5).value;
    kernel = dir.write("big.elf", test_support::build_elf(plan));
    open();
    const auto id = create(config("x"));
    ASSERT_FALSE(id);
    EXPECT_THAT(id.error().message, HasSubstr("needs 6 MiB, domain has 4 MiB"));
    expect_nothing_left();
}

TEST_F(ToolstackTest, TheLimitOfDomainsIsNamed) {
    settings.max_domains = 2;
    open();
    create_named("a");
    create_named("b");
    const auto third = create(config("c"));
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, base::Code::limit_reached);
    EXPECT_THAT(third.error().message, HasSubstr("max_domains = 2"));
}

TEST_F(ToolstackTest, ADomainOfAnotherShapeTakesTheRoomOfAShell) {
    machine->capabilities.max_domains = 3;
    settings.flavours = {{base::mib(4), 1, 3, 3}};
    open();
    ASSERT_TRUE(eventually([this] { return toolstack->pool_status()[0].ready == 3; }));
    auto order = config("big");
    order.memory = base::mib(8);
    const auto id = create(order);
    ASSERT_TRUE(id) << id.error().message;
    EXPECT_EQ(toolstack->pool_status()[0].ready, 2u);
}

TEST_F(ToolstackTest, AFailureAtAnyStepLeavesNothing) {
    open();
    auto order = config("x");
    order.cpumap = 1;
    order.console = false;
    order.vifs.resize(1);
    order.vbds = {{dir.write("disk.img", std::string(4096, 'x')), "", "", ""}};
    for (const auto verb : {Verb::create_shell, Verb::open_channel, Verb::open_data_lane, Verb::seed_grant, Verb::write,
                            Verb::map_pages, Verb::load, Verb::set_affinity, Verb::start}) {
        unsigned failures = 0;
        for (unsigned skip = 0;; ++skip) {
            machine->fail(verb, base::Code::io_error, skip, 1);
            const auto id = create(order);
            if (id) {
                ASSERT_TRUE(toolstack->destroy(*id));
                break;
            }
            ++failures;
            EXPECT_THAT(id.error().message, HasSubstr("injected"));
            expect_nothing_left();
        }
        EXPECT_GT(failures, 0u) << static_cast<int>(verb);
        machine->fail(verb, base::Code::io_error, 1000000, 1);
    }
    EXPECT_EQ(toolstack->find("x").error().code, base::Code::no_such_domain);
}

TEST_F(ToolstackTest, ARecordThatCanNotBeWrittenStopsTheLaunch) {
    open();
    Result<base::DomId> id;
    {
        const test_support::FileSizeLimit full_disk(0);
        id = create(config("x"));
    }
    ASSERT_FALSE(id);
    EXPECT_THAT(id.error().message, HasSubstr("registry"));
    EXPECT_EQ(machine->calls(Verb::load), 0u) << "nothing is done before it is on disk";
    expect_nothing_left();
}

TEST_F(ToolstackTest, TheConsoleIsOptional) {
    open();
    auto order = config("mute");
    order.console = false;
    const auto id = create(order);
    ASSERT_TRUE(id);
    EXPECT_FALSE(guest(*id).has(DeviceType::console));
    EXPECT_TRUE(guest(*id).has(DeviceType::sysctl));
    EXPECT_EQ(toolstack->console_log(*id).error().code, base::Code::unsupported);
    EXPECT_EQ(toolstack->console_write(*id, {}).error().code, base::Code::unsupported);
}

TEST_F(ToolstackTest, TellsReadyOnce) {
    open();
    const auto id = create_named("web");
    guest(id).ready();
    guest(id).ready();
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("created web", "ready web"));
    const auto view = toolstack->view(id);
    EXPECT_TRUE(view->ready);
    EXPECT_GT(view->ready_ns, view->total_ns);
    EXPECT_NE(view->timing[static_cast<std::size_t>(Phase::ready)], 0u);
}

TEST_F(ToolstackTest, TheConsoleGoesBothWaysAndIsKept) {
    open();
    const auto id = create_named("web");
    guest(id).say("hello ");
    toolstack->poll();
    guest(id).say("world");
    toolstack->poll();
    EXPECT_EQ(recorder.console, "hello world");
    EXPECT_EQ(toolstack->console_log(id)->bytes, "hello world");
    const std::string input = "in";
    EXPECT_EQ(toolstack->console_write(id, input).value(), 2u);
    EXPECT_EQ(guest(id).input(), "in");
    guest(id).say("!");
    guest(id).end(ShutdownReason::power_off);
    toolstack->poll();
    EXPECT_EQ(toolstack->console_log(id)->bytes, "hello world!");
    EXPECT_EQ(toolstack->metrics().console_bytes, 12u);
    expect_nothing_left();
}

TEST_F(ToolstackTest, KeepsTheConsolesOfTheLastDomains) {
    open();
    std::vector<base::DomId> ids;
    for (int i = 0; i < 70; ++i) {
        ids.push_back(create_named({}));
        guest(ids.back()).say(std::to_string(i));
        guest(ids.back()).end(ShutdownReason::power_off);
        toolstack->poll();
    }
    EXPECT_EQ(toolstack->console_log(ids[69])->bytes, "69");
    EXPECT_EQ(toolstack->console_log(ids[6])->bytes, "6");
    EXPECT_EQ(toolstack->console_log(ids[5]).error().code, base::Code::no_such_domain);
}

TEST_F(ToolstackTest, PausesAndUnpauses) {
    open();
    const auto id = create_named("web");
    ASSERT_TRUE(toolstack->pause(id));
    EXPECT_TRUE(machine->find(id)->paused);
    EXPECT_EQ(toolstack->view(id)->state, State::paused);
    ASSERT_TRUE(toolstack->pause(id));
    machine->find(id)->blocked = true;
    ASSERT_TRUE(toolstack->unpause(id));
    EXPECT_EQ(toolstack->list().at(0).state, State::blocked);
    EXPECT_THAT(recorder.take(), ElementsAre("created web", "paused web", "unpaused web"));
    machine->fail(Verb::pause, base::Code::io_error);
    EXPECT_FALSE(toolstack->pause(id));
    EXPECT_FALSE(toolstack->view(id)->paused);
}

TEST_F(ToolstackTest, ADomainCreatedPausedStartsWhenUnpaused) {
    open();
    auto order = config("later");
    order.paused = true;
    const auto id = create(order);
    ASSERT_TRUE(id);
    EXPECT_EQ(machine->find(*id)->phase, hypervisor::Phase::loaded);
    EXPECT_EQ(toolstack->view(*id)->state, State::paused);
    ASSERT_TRUE(toolstack->unpause(*id));
    EXPECT_EQ(machine->find(*id)->phase, hypervisor::Phase::started);
    EXPECT_EQ(toolstack->view(*id)->state, State::running);
}

TEST_F(ToolstackTest, Renames) {
    open();
    const auto id = create_named("old");
    create_named("taken");
    recorder.take();
    EXPECT_EQ(toolstack->rename(id, "taken").error().code, base::Code::name_in_use);
    EXPECT_EQ(toolstack->rename(id, "7").error().code, base::Code::invalid_argument);
    ASSERT_TRUE(toolstack->rename(id, "new"));
    EXPECT_EQ(recorder.events.back().detail, "new");
    EXPECT_THAT(recorder.take(), ElementsAre("renamed old"));
    EXPECT_EQ(toolstack->find("new").value(), id);
    EXPECT_FALSE(toolstack->find("old"));
    create_named("old");
    reopen();
    EXPECT_EQ(toolstack->find("new").value(), id);
}

TEST_F(ToolstackTest, UnknownDomainsAreErrors) {
    open();
    const base::DomId nobody{77};
    EXPECT_EQ(toolstack->view(nobody).error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->details(nobody).error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->pause(nobody).error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->unpause(nobody).error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->shutdown(nobody).error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->reboot(nobody).error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->destroy(nobody).error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->rename(nobody, "x").error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->console_log(nobody).error().code, base::Code::no_such_domain);
    EXPECT_EQ(toolstack->console_write(nobody, {}).error().code, base::Code::no_such_domain);
}

TEST_F(ToolstackTest, ADestroyThatFailsKeepsTheDomain) {
    open();
    const auto id = create_named("web");
    machine->fail(Verb::destroy, base::Code::io_error);
    EXPECT_FALSE(toolstack->destroy(id));
    EXPECT_TRUE(has_record(id));
    EXPECT_TRUE(toolstack->view(id));
    EXPECT_TRUE(toolstack->destroy(id));
    expect_nothing_left();
}

TEST_F(ToolstackTest, TellsThatTheHypervisorIsGone) {
    settings.flavours = {{base::mib(4), 1, 1, 1}};
    open();
    const auto id = create_named("web");
    machine->lose();
    toolstack->poll();
    EXPECT_THAT(recorder.lost, HasSubstr("switched off"));
    EXPECT_EQ(create(config("x")).error().code, base::Code::unavailable);
    EXPECT_EQ(toolstack->pause(id).error().code, base::Code::unavailable);
    EXPECT_FALSE(toolstack->deadline());
}

TEST_F(ToolstackTest, KnowsTheMemoryOfTheHost) {
    open();
    const auto host = toolstack->host_info();
    ASSERT_TRUE(host) << host.error().message;
    EXPECT_GT(host->free_memory.value, 0u);
    EXPECT_GT(host->total_memory, host->free_memory);
}

TEST_F(ToolstackTest, ADeathInThePoolIsNoDeathOfADomain) {
    settings.flavours = {{base::mib(4), 1, 1, 1}};
    open();
    ASSERT_TRUE(eventually([this] { return toolstack->pool_status()[0].ready == 1; }));
    const auto shell = machine->ids().at(0);
    machine->die(shell, {.kind = hypervisor::DeathKind::killed, .signal = 9});
    toolstack->poll();
    EXPECT_EQ(machine->find(shell), nullptr);
    ASSERT_TRUE(eventually([this] { return toolstack->pool_status()[0].ready == 1; }));
    EXPECT_NE(create_named("a"), shell);
    EXPECT_EQ(toolstack->metrics().died, 0u);
}

}  // namespace
}  // namespace split
