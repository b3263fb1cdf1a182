// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_toolstack.hpp"

namespace chaos::test {
namespace {

using testing::HasSubstr;

std::string config_of(const Api& api, std::string_view more = "") {
    return "{\"kernel\":\"" + api.kernel + "\"" + std::string(more) + "}";
}

TEST(Service, AnswersHello) {
    Api api;
    const auto reply = api.call("hello", "{}");
    EXPECT_EQ(at(reply, "result.driver").text, "fake");
    EXPECT_EQ(at(reply, "result.api").as_unsigned(), 1U);
    EXPECT_GT(*at(reply, "result.pid").as_unsigned(), 0U);
}

TEST(Service, ServesNothingToAClientOfAnotherVersion) {
    Api api;
    EXPECT_EQ(error_code(api.call("hello", R"({"api":2})")), "");
    EXPECT_EQ(error_code(api.call("domain.list", "{}")), "version_mismatch");
    EXPECT_EQ(error_code(api.call("hello", R"({"api":1})")), "");
    EXPECT_EQ(error_code(api.call("domain.list", "{}")), "");
}

TEST(Service, LivesOnAfterMalformedLines) {
    Api api;
    for (const char* line : {"garbage", "[]", "{}", "null", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\"}"}) {
        api.line(line);
        EXPECT_NE(error_code(api.client.take()), "") << line;
    }
    EXPECT_EQ(error_code(api.call("hello", "{}")), "");
}

TEST(Service, SuggestsMethodsAndParameters) {
    Api api;
    const auto method = api.call("domain.lst", "{}");
    EXPECT_EQ(error_code(method), "method_not_found");
    EXPECT_THAT(at(method, "error.message").text, HasSubstr("domain.list"));
    const auto parameter = api.call("domain.list", R"({"detials":true})");
    EXPECT_EQ(error_code(parameter), "invalid_argument");
    EXPECT_EQ(at(parameter, "error.message").text, "params: detials: unknown key; did you mean \"details\"?");
}

TEST(Service, DoesNotAnswerNotifications) {
    Api api;
    api.line(R"({"jsonrpc":"2.0","method":"hello"})");
    api.line(R"({"jsonrpc":"2.0","method":"domain.destroy","params":{"id":9}})");
    EXPECT_TRUE(api.client.quiet());
}

TEST(Create, RepliesAtOnceWhenOnlyCreatedIsWanted) {
    Api api;
    api.send("domain.create", R"({"config":)" + config_of(api, R"(,"name":"web")") + "}");
    const auto reply = api.client.take();
    EXPECT_EQ(at(reply, "result.domains.0.name").text, "web");
    EXPECT_EQ(at(reply, "result.domains.0.state").text, "running");
    EXPECT_EQ(at(reply, "result.domains.0.timing.total_us").text, "12.345");
    EXPECT_TRUE(at(reply, "result.domains.0.timing.ready_us").is(json::Type::null));
    EXPECT_NE(at(reply, "result.domains.0.timing.phases").find("boot"), nullptr);
}

TEST(Create, WaitsForReady) {
    Api api;
    api.send("domain.create", R"({"wait":"ready","config":)" + config_of(api) + "}");
    api.host.settle();
    EXPECT_TRUE(api.client.quiet());
    api.toolstack->become_ready(1);
    EXPECT_EQ(at(api.client.take(), "result.domains.0.timing.ready_us").text, "87.125");
    EXPECT_EQ(api.service.create_jobs().size(), 0U);
}

TEST(Create, DoesNotWaitForAGuestThatIsReadyAtOnce) {
    Api api;
    api.toolstack->ready_at_once = true;
    const auto reply = api.call("domain.create", R"({"count":2,"wait":"ready","config":)" + config_of(api) + "}");
    EXPECT_EQ(at(reply, "result.domains.1.timing.ready_us").text, "87.125");
    EXPECT_EQ(api.service.create_jobs().size(), 0U);
}

TEST(Create, DoesNotWaitForAPausedGuest) {
    Api api;
    const auto reply =
        api.call("domain.create", R"({"wait":"ready","config":)" + config_of(api, R"(,"paused":true)") + "}");
    EXPECT_EQ(at(reply, "result.domains.0.state").text, "paused");
}

TEST(Create, MakesManyOnePerTurn) {
    Api api;
    api.send("domain.create", R"({"count":3,"config":)" + config_of(api, R"(,"name":"w")") + "}");
    EXPECT_EQ(api.toolstack->created.size(), 1U);
    api.send("domain.list", "{}");  // others are served in between
    EXPECT_EQ(at(api.client.take(), "result.domains").children.size(), 1U);
    api.host.settle();
    const auto reply = api.client.take();
    ASSERT_EQ(at(reply, "result.domains").children.size(), 3U);
    EXPECT_EQ(at(reply, "result.domains.0.name").text, "w-1");
    EXPECT_EQ(at(reply, "result.domains.2.name").text, "w-3");
}

TEST(Create, IsAllOrNothing) {
    Api api;
    api.toolstack->fail_create_at = 2;
    const auto reply = api.call("domain.create", R"({"count":5,"config":)" + config_of(api) + "}");
    EXPECT_EQ(error_code(reply), "no_memory");
    EXPECT_EQ(at(reply, "error.data.created").as_unsigned(), 0U);
    EXPECT_TRUE(api.toolstack->list().empty());
    EXPECT_EQ(api.service.create_jobs().size(), 0U);
}

TEST(Create, FailsWhenAGuestDiesBeforeItIsReady) {
    Api api;
    api.send("domain.create", R"({"count":3,"wait":"ready","config":)" + config_of(api) + "}");
    api.host.settle();
    api.toolstack->become_ready(1);
    api.toolstack->crash(2, "crashed: SIGSEGV");
    api.service.poll();
    api.host.settle();
    const auto reply = api.client.take();
    EXPECT_EQ(error_code(reply), "guest_died");
    EXPECT_THAT(at(reply, "error.message").text, HasSubstr("crashed: SIGSEGV"));
    EXPECT_TRUE(api.toolstack->list().empty());
}

TEST(Create, RepliesWithTheIdsAsTheyAreThen) {
    Api api;
    api.send("domain.create", R"({"count":2,"config":)" + config_of(api) + "}");
    api.toolstack->restart(1, 40);
    api.service.poll();
    api.host.settle();
    const auto reply = api.client.take();
    EXPECT_EQ(at(reply, "result.domains.0.id").as_unsigned(), 40U);
    EXPECT_EQ(at(reply, "result.domains").children.size(), 2U);
}

TEST(Create, FollowsAGuestThatIsRestarted) {
    Api api;
    api.send("domain.create", R"({"wait":"ready","config":)" + config_of(api) + "}");
    api.toolstack->restart(1, 40);
    api.service.poll();
    EXPECT_TRUE(api.client.quiet());
    api.toolstack->become_ready(40);
    EXPECT_EQ(at(api.client.take(), "result.domains.0.id").as_unsigned(), 40U);
}

TEST(Create, GivesUpAtItsTimeLimit) {
    Api api;
    api.send("domain.create", R"({"wait":"ready","timeout_ms":0,"config":)" + config_of(api) + "}");
    ASSERT_FALSE(api.host.wakes.empty());
    api.service.on_time();
    api.host.settle();
    EXPECT_EQ(error_code(api.client.take()), "timed_out");
    EXPECT_TRUE(api.toolstack->list().empty());
}

TEST(Create, WaitsForAKernelThatIsLoadedAside) {
    Api api;
    api.toolstack->loads_aside = true;
    api.send("domain.create", R"({"count":2,"config":)" + config_of(api) + "}");
    api.host.settle();
    api.toolstack->end_load(1);
    EXPECT_TRUE(api.client.quiet()) << "one of two is there";
    api.toolstack->end_load(2);
    EXPECT_EQ(at(api.client.take(), "result.domains").children.size(), 2U);
}

TEST(Create, TheTimeToBecomeReadyBeginsWhenTheKernelIsIn) {
    Api api;
    api.toolstack->loads_aside = true;
    api.send("domain.create", R"({"wait":"ready","timeout_ms":1000,"config":)" + config_of(api) + "}");
    api.host.settle();
    EXPECT_TRUE(api.host.wakes.empty());
    api.toolstack->end_load(1);
    EXPECT_EQ(api.host.wakes.size(), 1u);
    EXPECT_TRUE(api.client.quiet());
    api.toolstack->become_ready(1);
    EXPECT_EQ(at(api.client.take(), "result.domains").children.size(), 1U);
}

TEST(Create, FailsWithAKernelThatItsLoaderRefuses) {
    Api api;
    api.toolstack->loads_aside = true;
    api.send("domain.create", R"({"config":)" + config_of(api) + "}");
    api.host.settle();
    api.toolstack->refuse(1, base::Code::invalid_image, "no loader found");
    api.service.poll();
    api.host.settle();
    const auto reply = api.client.take();
    EXPECT_EQ(error_code(reply), "invalid_image");
    EXPECT_EQ(at(reply, "error.message").text, "no loader found");
    EXPECT_TRUE(api.toolstack->list().empty());
}

TEST(Create, KeepsWhatIsMadeWhenTheClientGoesWhileItWaits) {
    Api api;
    FakeClient other;
    api.service.connected(other);
    api.service.handle_line(other,
                            R"({"jsonrpc":"2.0","id":1,"method":"domain.create","params":{"wait":"ready","config":)" +
                                config_of(api) + "}}",
                            Clock::now());
    api.service.disconnected(other);
    api.host.settle();
    EXPECT_EQ(api.toolstack->list().size(), 1U);
    api.toolstack->become_ready(1);
    EXPECT_EQ(api.service.create_jobs().size(), 0U);
}

TEST(Create, UndoesWhatIsHalfMadeWhenTheClientGoes) {
    Api api;
    FakeClient other;
    api.service.connected(other);
    api.service.handle_line(
        other,
        R"({"jsonrpc":"2.0","id":1,"method":"domain.create","params":{"count":9,"config":)" + config_of(api) + "}}",
        Clock::now());
    api.host.turn();
    api.service.disconnected(other);
    api.host.settle();
    EXPECT_TRUE(api.toolstack->list().empty());
    EXPECT_EQ(api.service.create_jobs().size(), 0U);
}

TEST(Create, DryRunCreatesNothing) {
    Api api;
    const auto reply = api.call("domain.create", R"({"dry_run":true,"count":2,"config":)" + config_of(api) + "}");
    EXPECT_TRUE(at(reply, "result.domains").children.empty());
    EXPECT_TRUE(api.toolstack->list().empty());
}

TEST(Create, ChecksItsParameters) {
    Limits limits;
    limits.create_count = 4;
    Api api(limits);
    const std::string config = config_of(api);
    EXPECT_EQ(error_code(api.call("domain.create", "{}")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("domain.create", R"({"path":"/x","config":{}})")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("domain.create", R"({"path":"relative.json"})")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("domain.create", R"({"path":"/no/such.json"})")), "not_found");
    EXPECT_EQ(error_code(api.call("domain.create", R"({"count":0,"config":)" + config + "}")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("domain.create", R"({"count":5,"config":)" + config + "}")), "limit_reached");
    EXPECT_EQ(error_code(api.call("domain.create", R"({"wait":"done","config":)" + config + "}")), "invalid_argument");
    const auto reply = api.call("domain.create", R"({"config":{"kernel":"/proc/self/exe","memory":"x"}})");
    EXPECT_EQ(error_code(reply), "invalid_config");
    EXPECT_THAT(at(reply, "error.message").text, HasSubstr("request:1:"));
    EXPECT_TRUE(api.toolstack->list().empty());
}

TEST(Domains, AreNamedByIdOrName) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api, R"(,"name":"web")") + "}");
    EXPECT_EQ(at(api.call("domain.get", R"({"id":1})"), "result.name").text, "web");
    EXPECT_EQ(at(api.call("domain.pause", R"({"name":"web"})"), "result.state").text, "paused");
    EXPECT_EQ(at(api.call("domain.unpause", R"({"name":"web"})"), "result.state").text, "running");
    EXPECT_EQ(at(api.call("domain.rename", R"({"id":1,"new_name":"db"})"), "result.name").text, "db");
    EXPECT_EQ(error_code(api.call("domain.rename", R"({"id":1,"new_name":"7"})")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("domain.get", R"({"name":"web"})")), "no_such_domain");
    EXPECT_EQ(error_code(api.call("domain.get", R"({"id":77})")), "no_such_domain");
    EXPECT_EQ(error_code(api.call("domain.get", "{}")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("domain.get", R"({"id":1,"name":"db"})")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("domain.destroy", R"({"name":"db"})")), "");
    EXPECT_TRUE(api.toolstack->list().empty());
}

TEST(Domains, AreAllDestroyedSomePerTurn) {
    Api api;
    api.call("domain.create", R"({"count":30,"config":)" + config_of(api) + "}");
    api.send("domain.destroy", R"({"all":true})");
    EXPECT_FALSE(api.toolstack->list().empty());
    api.host.settle();
    EXPECT_EQ(at(api.client.take(), "result.destroyed").as_unsigned(), 30U);
    EXPECT_TRUE(api.toolstack->list().empty());
}

TEST(Domains, ShutdownWaitsForTheEnd) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    api.send("domain.shutdown", R"({"id":1,"wait":true})");
    EXPECT_TRUE(api.client.quiet());
    api.toolstack->power_off(1);
    api.service.poll();
    const auto reply = api.client.take();
    EXPECT_EQ(at(reply, "result.reason").text, "shutdown");
    EXPECT_EQ(at(reply, "result.how").text, "powered off");
    EXPECT_EQ(at(api.call("domain.wait", R"({"id":1})"), "result.reason").text, "shutdown");
}

TEST(Domains, GetTellsWhereAPreservedGuestCrashed) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    const hypervisor::Registers registers{.rax = 0xdead0000, .rsp = UINT64_MAX, .rip = 0x100123};
    api.toolstack->preserve(1, {hypervisor::DeathKind::crashed, 0, 11, 0xdead0000, registers.rip, registers},
                            {"f(\"x\")+0x5", {"g+0x1", "h+0x2"}, ""});
    const auto reply = api.call("domain.get", R"({"id":1})");
    EXPECT_EQ(at(reply, "result.ended.kind").text, "crashed");
    EXPECT_EQ(at(reply, "result.ended.how").text, "crashed: SIGSEGV at 0xdead0000, ip 0x100123 (f(\"x\")+0x5)");
    EXPECT_EQ(at(reply, "result.ended.function").text, "f(\"x\")+0x5");
    EXPECT_EQ(at(reply, "result.ended.callers.1").text, "h+0x2");
    EXPECT_EQ(at(reply, "result.ended.registers").children.size(), 18U);
    EXPECT_EQ(at(reply, "result.ended.registers.rax").text, "0xdead0000");
    EXPECT_EQ(at(reply, "result.ended.registers.rsp").text, "0xffffffffffffffff");
    EXPECT_EQ(at(reply, "result.ended.registers.r15").text, "0x0");
    EXPECT_EQ(at(reply, "result.ended").find("no_function"), nullptr);
}

TEST(Domains, WhatIsNotKnownOfACrashIsLeftOut) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    api.toolstack->preserve(1, {.kind = hypervisor::DeathKind::crashed, .ip = 5}, {"", {}, "it has no symbols"});
    const auto reply = api.call("domain.get", R"({"id":1})");
    EXPECT_EQ(at(reply, "result.ended.no_function").text, "it has no symbols");
    for (const char* member : {"function", "callers", "registers"}) {
        EXPECT_EQ(at(reply, "result.ended").find(member), nullptr) << member;
    }
}

TEST(Domains, RowsOfAListStayShort) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    api.toolstack->preserve(1, {hypervisor::DeathKind::crashed, 0, 11, 0, 5, hypervisor::Registers{}}, {"f", {}, ""});
    const auto reply = api.call("domain.list", R"({"details":true})");
    EXPECT_EQ(at(reply, "result.domains.0.ended").children.size(), 3U);
}

TEST(Consoles, BringHistoryThenOutputThenTheEnd) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    api.toolstack->say(1, "before ");
    EXPECT_EQ(at(api.call("console.attach", R"({"id":1})"), "result.ended").truth, false);
    EXPECT_EQ(at(api.client.take(), "params.data").text, "before ");
    api.toolstack->say(1, "after\xff");
    const auto output = api.client.take();
    EXPECT_EQ(at(output, "params.offset").as_unsigned(), 7U);
    EXPECT_EQ(at(output, "params.data_b64").text, "YWZ0ZXL/");
    api.toolstack->power_off(1);
    api.service.poll();
    const auto closed = api.client.take();
    EXPECT_EQ(at(closed, "method").text, "console.closed");
    EXPECT_EQ(at(closed, "params.reason").text, "shutdown");
    api.call("console.attach", R"({"name":"guest-1"})");  // of a guest that is gone
    EXPECT_EQ(at(api.client.take(), "params.data_b64").is(json::Type::string), true);
    EXPECT_EQ(at(api.client.take(), "method").text, "console.closed");
}

TEST(Consoles, NameTheSuccessorOfAGuestThatRebooted) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    api.call("console.attach", R"({"id":1,"history":false})");
    api.toolstack->restart(1, 2);
    api.service.poll();
    const auto closed = api.client.take();
    EXPECT_EQ(at(closed, "params.reason").text, "rebooted");
    EXPECT_EQ(at(closed, "params.new_id").as_unsigned(), 2U);
}

TEST(Consoles, TakeAsMuchInputAsFits) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    api.toolstack->console_room = 2;
    EXPECT_EQ(at(api.call("console.input", R"({"id":1,"data":"abc"})"), "result.accepted").as_unsigned(), 2U);
    EXPECT_EQ(at(api.call("console.input", R"({"id":1,"data_b64":"/w=="})"), "result.accepted").as_unsigned(), 1U);
    EXPECT_EQ(api.toolstack->typed, "ab\xff");
    EXPECT_EQ(error_code(api.call("console.input", R"({"id":1})")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("console.detach", R"({"id":1})")), "bad_state");
}

TEST(Events, AreReplayedAndThenFollow) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    const auto reply = api.call("events.subscribe", R"({"since":0})");
    EXPECT_EQ(at(reply, "result.replayed").as_unsigned(), 1U);
    EXPECT_FALSE(at(reply, "result.missed").truth);
    const auto created = api.client.take();
    EXPECT_EQ(at(created, "params.event").text, "created");
    api.toolstack->become_ready(1);
    const auto ready = api.client.take();
    EXPECT_EQ(at(ready, "params.event").text, "ready");
    EXPECT_EQ(*at(ready, "params.seq").as_unsigned(), *at(created, "params.seq").as_unsigned() + 1);
    api.call("events.unsubscribe", "{}");
    api.toolstack->power_off(1);
    EXPECT_TRUE(api.client.quiet());
}

TEST(Devices, AreAttachedAndShown) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    const auto vif = api.call("domain.attach", R"({"id":1,"vif":{"ip":"10.0.0.2/24","rate":"10Mbit"}})");
    EXPECT_EQ(at(vif, "result.device.type").text, "vif");
    EXPECT_EQ(at(vif, "result.device.id").as_unsigned(), 0U);
    EXPECT_EQ(api.toolstack->attached_vifs.at(0).rate, 10'000'000U);
    const auto vbd = api.call("domain.attach", R"({"id":1,"vbd":{"target":"/proc/self/exe","access":"ro"}})");
    EXPECT_EQ(at(vbd, "result.device.type").text, "vbd");
    EXPECT_TRUE(api.toolstack->attached_vbds.at(0).read_only());
    const auto shown = api.call("domain.get", R"({"id":1})");
    EXPECT_EQ(at(shown, "result.devices.0.mac").text, "02:00:00:00:00:01");
    EXPECT_EQ(at(shown, "result.devices.0.ip").text, "10.0.0.2/24");
    EXPECT_EQ(at(shown, "result.devices.0.backend").text, "connected");
    EXPECT_EQ(at(shown, "result.devices.0.frontend").text, "init_wait");
    EXPECT_EQ(at(shown, "result.devices.0.stopped").text, "the ring runs away");
    EXPECT_EQ(at(shown, "result.devices.1.access").text, "ro");
    EXPECT_EQ(at(shown, "result.devices.1.counters.requests").as_unsigned(), 4U);
}

TEST(Devices, MistakesAreNamed) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    for (const char* params : {R"({"id":1})", R"({"id":1,"vif":{},"vbd":{}})", R"({"id":1,"vif":{"ip":"x"}})",
                               R"({"id":1,"vbd":{}})", R"({"id":1,"vbd":{"target":"relative"}})", R"({"vif":{}})"}) {
        EXPECT_EQ(error_code(api.call("domain.attach", params)), "invalid_argument") << params;
    }
    EXPECT_EQ(error_code(api.call("domain.attach", R"({"id":9,"vif":{}})")), "no_such_domain");
    for (const char* params : {R"({"id":1})", R"({"id":1,"type":"vif"})", R"({"id":1,"type":"tap","device":0})"}) {
        EXPECT_EQ(error_code(api.call("domain.detach", params)), "invalid_argument") << params;
    }
}

TEST(Devices, ADetachIsAnsweredWhenTheDeviceIsGone) {
    using noxs::wire::DeviceType;
    Api api;
    api.call("domain.create", R"({"count":2,"config":)" + config_of(api) + "}");
    api.send("domain.detach", R"({"id":1,"type":"vif","device":0})");
    api.send("domain.detach", R"({"id":2,"type":"vbd","device":"3","timeout_ms":7})");
    EXPECT_EQ(api.toolstack->detach_time.count(), 7);
    api.toolstack->let_go(1, DeviceType::vbd, 0, false);
    api.toolstack->let_go(2, DeviceType::vif, 0, false);
    EXPECT_TRUE(api.client.quiet());
    api.toolstack->let_go(1, DeviceType::vif, 0, false);
    const auto first = api.client.take();
    EXPECT_FALSE(at(first, "result.forced").truth);
    EXPECT_EQ(at(first, "result.device.type").text, "vif");
    api.toolstack->let_go(2, DeviceType::vbd, 3, true);
    EXPECT_TRUE(at(api.client.take(), "result.forced").truth);
}

TEST(Devices, ADetachMayBeDoneAtOnce) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    api.toolstack->lets_go_at_once = true;
    EXPECT_EQ(at(api.call("domain.detach", R"({"id":1,"type":"vif","device":0})"), "result.id").as_unsigned(), 1U);
    EXPECT_TRUE(api.client.quiet());
}

TEST(Devices, ADetachEndsWithItsGuest) {
    Api api;
    api.call("domain.create", R"({"config":)" + config_of(api) + "}");
    api.send("domain.detach", R"({"id":1,"type":"vif","device":0})");
    api.toolstack->power_off(1);
    api.service.poll();
    EXPECT_EQ(error_code(api.client.take()), "guest_died");
}

TEST(Daemon, IsOpenedAnewWhenTheHypervisorIsLost) {
    Api api;
    api.send("domain.create", R"({"wait":"ready","config":)" + config_of(api) + "}");
    api.refuse_open = true;
    api.toolstack->lose();
    api.service.poll();
    EXPECT_EQ(error_code(api.client.take()), "unavailable");
    EXPECT_EQ(error_code(api.call("domain.list", "{}")), "unavailable");
    api.refuse_open = false;
    EXPECT_EQ(error_code(api.call("domain.list", "{}")), "");
    EXPECT_EQ(api.opened, 2U);
}

TEST(Daemon, StopsAfterItsReply) {
    Api api;
    api.call("domain.create", R"({"count":2,"config":)" + config_of(api) + "}");
    EXPECT_TRUE(at(api.call("daemon.stop", "{}"), "result.stopping").truth);
    EXPECT_TRUE(api.host.stopped);
    EXPECT_EQ(api.toolstack->list().size(), 2U);
    EXPECT_EQ(at(api.call("daemon.stop", R"({"domains":"destroy"})"), "result.destroyed").as_unsigned(), 2U);
}

TEST(Daemon, PollsTheToolstackWhenItIsDue) {
    Api api;
    api.toolstack->due = Clock::now();
    api.call("hello", "{}");
    ASSERT_FALSE(api.host.wakes.empty());
    api.service.on_time();
    EXPECT_EQ(api.toolstack->polls, 1U);
}

TEST(Daemon, ShowsPoolSchemaMetricsAndItself) {
    Api api;
    EXPECT_EQ(at(api.call("pool.status", "{}"), "result.flavours.0.memory").text, "4MiB");
    EXPECT_EQ(at(api.call("pool.set", R"({"memory":"8MiB","floor":1})"), "result.flavours.1.floor").as_unsigned(), 1U);
    const auto shaped = api.call("pool.set", R"({"memory":"8MiB","vifs":1,"vbds":2,"floor":1})");
    EXPECT_EQ(at(shaped, "result.flavours.2.vifs").as_unsigned(), 1U);
    EXPECT_EQ(at(shaped, "result.flavours.2.vbds").as_unsigned(), 2U);
    EXPECT_EQ(error_code(api.call("pool.set", R"({"memory":8,"floor":5,"ceiling":1})")), "invalid_argument");
    EXPECT_EQ(error_code(api.call("pool.set", R"({"memory":"8"})")), "invalid_argument");
    EXPECT_EQ(at(api.call("schema.get", "{}"), "result.schema.type").text, "object");
    EXPECT_THAT(at(api.call("metrics.get", "{}"), "result.text").text, HasSubstr("chaos_api_requests_total"));
    EXPECT_THAT(at(api.call("metrics.get", "{}"), "result.text").text,
                HasSubstr("chaos_network_forwarded_total{network=\"default\"} 17\n"));
    EXPECT_THAT(at(api.call("metrics.get", "{}"), "result.text").text, HasSubstr("chaos_vbd_read_bytes_total 4096\n"));
}

TEST(Daemon, SaysWhatItRunsOnAndWhatIsMissing) {
    Api api;
    api.host.skipped = {{"xen", "this machine does not run it"}};
    const auto info = api.call("daemon.info", "{}");
    EXPECT_EQ(at(info, "result.driver.name").text, "fake");
    EXPECT_FALSE(at(info, "result.driver.foreign_kernels").truth);
    EXPECT_EQ(at(info, "result.memory.free_bytes").as_unsigned(), base::mib(512).value);
    EXPECT_EQ(at(info, "result.skipped_drivers.0.name").text, "xen");
    EXPECT_EQ(at(info, "result.skipped_drivers.0.why").text, "this machine does not run it");
}

}  // namespace
}  // namespace chaos::test
