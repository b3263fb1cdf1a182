// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/pool.hpp"

#include <gmock/gmock.h>

#include <semaphore>

#include "split-toolstack/prepare.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/fake_hypervisor.hpp"
#include "tests/support/temp_dir.hpp"

namespace split {
namespace {

using test_support::eventually;
using test_support::Verb;
using testing::HasSubstr;

class SilentListener final : public noxs::BackendListener {
 public:
    void on_ready(base::DomId) override {}
    void on_shutdown(base::DomId, noxs::wire::ShutdownReason, std::int32_t) override {}
    void on_acknowledged(base::DomId, std::uint32_t) override {}
    void on_console_output(base::DomId, std::uint64_t, std::span<const char>) override {}
};

class PoolTest : public testing::Test {
 protected:
    void open(const std::vector<FlavourSettings>& flavours, unsigned capacity = 0) {
        auto opened = Pool::open(
            [this](const Shape& shape) {
                return prepare_shell(hypervisor, shape, {.listener = listener, .console_dir = dir.path()});
            },
            capacity, flavours);
        ASSERT_TRUE(opened) << opened.error().message;
        pool.emplace(*std::move(opened));
    }
    FlavourStatus status(std::size_t i = 0) const { return pool->status().at(i); }
    bool full() const {
        const auto all = pool->status();
        return std::ranges::all_of(all, [](const auto& s) { return s.ready == s.target; });
    }
    Pool::Claim claim(base::Bytes memory = base::mib(4), unsigned vcpus = 1, unsigned vifs = 0, unsigned vbds = 0) {
        auto claim = pool->claim({.memory = memory, .vcpus = vcpus, .vifs = vifs, .vbds = vbds}, Clock::now());
        pool->launched(claim.flavour, Clock::now());
        return claim;
    }

    test_support::TempDir dir;
    std::shared_ptr<test_support::FakeMachine> machine = std::make_shared<test_support::FakeMachine>();
    test_support::FakeHypervisor hypervisor{machine};
    SilentListener listener;
    std::optional<Pool> pool;
};

TEST_F(PoolTest, FillsEveryFlavourAndGivesAllBack) {
    open({{base::mib(4), 1, 3, 8}, {base::mib(8), 2, 2, 8}});
    ASSERT_TRUE(eventually([this] { return full(); }));
    EXPECT_EQ(machine->ids().size(), 5u);
    EXPECT_EQ(status(1).prepared, 2u);
    pool.reset();
    EXPECT_TRUE(machine->ids().empty());
}

TEST_F(PoolTest, ServesTheExactShapeOnly) {
    open({{base::mib(4), 1, 1, 1}});
    ASSERT_TRUE(eventually([this] { return full(); }));
    EXPECT_EQ(claim(base::mib(8)).shell, nullptr);
    EXPECT_EQ(claim(base::mib(4), 2).shell, nullptr);
    auto hit = claim();
    ASSERT_NE(hit.shell, nullptr);
    EXPECT_EQ(hit.shell->devices.entries().size(), 2u);
    EXPECT_NE(hit.shell->timing[static_cast<std::size_t>(Phase::reserve)], 0u);
    EXPECT_EQ(status().hits, 1u);
    EXPECT_EQ(status().misses, 0u);
    discard(std::move(hit.shell));
}

TEST_F(PoolTest, ServesTheExactDevicesOnly) {
    open({{.memory = base::mib(4), .vcpus = 1, .floor = 1, .ceiling = 1, .vifs = 1, .vbds = 1},
          {.memory = base::mib(4), .vcpus = 1, .floor = 1, .ceiling = 1, .vifs = 2, .vbds = 0}});
    ASSERT_TRUE(eventually([this] { return full(); }));
    for (const auto& [vifs, vbds] : {std::pair{0u, 0u}, {1u, 0u}, {0u, 2u}, {0u, 1u}, {2u, 1u}}) {
        EXPECT_EQ(claim(base::mib(4), 1, vifs, vbds).shell, nullptr) << vifs << " " << vbds;
    }
    auto hit = claim(base::mib(4), 1, 1, 1);
    ASSERT_NE(hit.shell, nullptr);
    const auto& entries = hit.shell->devices.entries();
    ASSERT_EQ(entries.size(), 4u);
    EXPECT_EQ(entries[2].type, noxs::wire::DeviceType::vif);
    EXPECT_EQ(entries[3].type, noxs::wire::DeviceType::vbd);
    EXPECT_EQ(entries[2].port, test_support::FakeLaneEnd::port);
    EXPECT_EQ(entries[3].port, entries[2].port) << "one lane for all";
    EXPECT_NE(entries[1].port, entries[2].port);
    const auto lane = machine->lane(hit.shell->domain->id());
    EXPECT_TRUE(lane->is_open());
    const auto& spec = machine->find(hit.shell->domain->id())->spec;
    EXPECT_EQ(spec.control_pages, 8u);
    EXPECT_EQ(spec.spare_pages, 4u);
    EXPECT_TRUE(spec.data_lane);
    discard(std::move(hit.shell));
    EXPECT_FALSE(lane->is_open());
}

TEST_F(PoolTest, RefillsAfterAClaim) {
    open({{base::mib(4), 1, 2, 2}});
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(eventually([this] {
            pool->tick(Clock::now());  // a launch wakes the refill by way of the event loop
            return full();
        }));
        auto hit = claim();
        ASSERT_NE(hit.shell, nullptr);
        discard(std::move(hit.shell));
    }
    EXPECT_EQ(status().hits, 20u);
}

TEST_F(PoolTest, AMissDoublesTheTargetUpToTheCeiling) {
    machine->fail(Verb::create_shell, base::Code::no_memory, 0, 1000);
    open({{base::mib(4), 1, 2, 7}});
    EXPECT_EQ(claim().shell, nullptr);
    EXPECT_EQ(status().target, 4u);
    EXPECT_EQ(claim().shell, nullptr);
    EXPECT_EQ(claim().shell, nullptr);
    EXPECT_EQ(status().target, 7u);
    EXPECT_EQ(status().misses, 3u);
}

TEST_F(PoolTest, AFailingRefillIsToldBacksOffAndRecovers) {
    machine->fail(Verb::create_shell, base::Code::no_memory, 0, 2);
    open({{base::mib(4), 1, 1, 1}});
    ASSERT_TRUE(eventually([this] { return !status().last_error.empty() || full(); }));
    ASSERT_TRUE(eventually([this] { return full(); }));
    EXPECT_EQ(status().last_error, "");
    EXPECT_EQ(machine->calls(Verb::create_shell), 3u);
}

TEST_F(PoolTest, AFailedPrepareLeavesNothing) {
    for (const auto verb : {Verb::open_channel, Verb::seed_grant, Verb::write, Verb::map_pages}) {
        machine->fail(verb, base::Code::io_error, 1, 1);
    }
    open({{base::mib(4), 1, 4, 4}});
    ASSERT_TRUE(eventually([this] { return full(); }));
    EXPECT_EQ(machine->ids().size(), 4u);
}

TEST_F(PoolTest, NeverHandsOutADeadShell) {
    open({{base::mib(4), 1, 3, 3}});
    ASSERT_TRUE(eventually([this] { return full(); }));
    const auto before = machine->ids();
    for (const auto id : before) {
        pool->shell_died(id);
    }
    EXPECT_TRUE(std::ranges::none_of(before, [this](auto id) { return machine->find(id) != nullptr; }));
    ASSERT_TRUE(eventually([this] { return full(); }));
    auto hit = claim();
    ASSERT_NE(hit.shell, nullptr);
    EXPECT_TRUE(std::ranges::find(before, hit.shell->domain->id()) == before.end());
    discard(std::move(hit.shell));
}

TEST_F(PoolTest, RemembersADeathToldBeforeTheShellIsParked) {
    machine->fail(Verb::create_shell, base::Code::no_memory, 0, 1);
    open({{base::mib(4), 1, 1, 1}});
    pool->shell_died(base::DomId{1});
    ASSERT_TRUE(eventually([this] { return full(); }));
    auto hit = claim();  // nothing, or what took its place in the meantime
    EXPECT_TRUE(!hit.shell || hit.shell->domain->id() != base::DomId{1});
    EXPECT_EQ(machine->find(base::DomId{1}), nullptr);
    if (hit.shell) {
        discard(std::move(hit.shell));
    }
}

TEST_F(PoolTest, RespectsTheCapacity) {
    open({{base::mib(4), 1, 8, 8}}, 5);
    ASSERT_TRUE(eventually([this] { return status().ready == 5; }));
    pool->set_domains(5);
    EXPECT_TRUE(pool->sacrifice());
    EXPECT_EQ(status().ready, 4u);
    pool->set_domains(0);
    ASSERT_TRUE(eventually([this] { return status().ready == 5; }));
}

TEST_F(PoolTest, ChangesAndRemovesFlavours) {
    open({});
    EXPECT_TRUE(pool->status().empty());
    ASSERT_TRUE(pool->set({base::mib(4), 1, 2, 4}));
    ASSERT_TRUE(eventually([this] { return full(); }));
    ASSERT_TRUE(pool->set({base::mib(4), 1, 4, 4}));
    ASSERT_TRUE(eventually([this] { return status().ready == 4; }));
    ASSERT_TRUE(pool->set({base::mib(4), 1, 0, 0}));
    EXPECT_TRUE(pool->status().empty());
    EXPECT_TRUE(eventually([this] { return machine->ids().empty(); }));
    EXPECT_EQ(pool->set({base::mib(4), 1, 0, 0}).error().code, base::Code::not_found);
    EXPECT_THAT(pool->set({base::mib(4), 1, 3, 2}).error().message, HasSubstr("floor 3, ceiling 2"));
    EXPECT_FALSE(pool->set({base::mib(4), 1, 1, max_shells + 1}));
    EXPECT_FALSE(pool->set({base::mib(4), 0, 1, 1}));
    EXPECT_FALSE(pool->set({base::Bytes{5000}, 1, 1, 1}));
}

/// Nobody would look again: a quiet daemon would keep it for ever.
TEST_F(PoolTest, ParksNoShellThatALowerTargetDoesNotWant) {
    std::binary_semaphore preparing(0);
    std::binary_semaphore go_on(0);
    auto opened = Pool::open(
        [&](const Shape& shape) {
            preparing.release();
            go_on.acquire();
            return prepare_shell(hypervisor, shape, {.listener = listener, .console_dir = dir.path()});
        },
        0, {{base::mib(4), 1, 2, 2}});
    ASSERT_TRUE(opened) << opened.error().message;
    pool.emplace(*std::move(opened));
    preparing.acquire();
    go_on.release();
    preparing.acquire();  // the first is parked, the second in the making
    ASSERT_TRUE(pool->set({base::mib(4), 1, 1, 1}));
    go_on.release();
    ASSERT_TRUE(eventually([this] { return status().prepared == 2 && machine->ids().size() == 1; }));
    EXPECT_EQ(status().ready, 1u);
}

TEST_F(PoolTest, GivesBackWhatALowerTargetDoesNotWant) {
    open({{base::mib(4), 1, 8, 8}});
    ASSERT_TRUE(eventually([this] { return full(); }));
    EXPECT_FALSE(pool->deadline().has_value()) << "no timer at the floor";
    ASSERT_TRUE(pool->set({base::mib(4), 1, 1, 2}));
    ASSERT_TRUE(pool->deadline().has_value());
    ASSERT_TRUE(eventually([this] {
        pool->tick(Clock::now());
        return machine->ids().size() == 2;
    }));
    EXPECT_EQ(status().target, 2u);
}

TEST(Demand, RisesWithTheLaunchesOfASecondAndFallsBack) {
    Demand demand(4, 100);
    auto now = Clock::time_point(std::chrono::hours(1));
    EXPECT_FALSE(demand.deadline());
    for (int i = 0; i < 50; ++i) {
        demand.on_claim(now, Demand::Claim::hit);
    }
    EXPECT_EQ(demand.target(), 50u);
    demand.decay(now + Demand::decay_after / 2);
    EXPECT_EQ(demand.target(), 50u);
    const unsigned expected[] = {25, 12, 6, 4};
    for (const unsigned target : expected) {
        ASSERT_TRUE(demand.deadline());
        now = *demand.deadline();
        demand.decay(now);
        EXPECT_EQ(demand.target(), target);
    }
    EXPECT_FALSE(demand.deadline()) << "no timer at the floor";
}

TEST(Demand, SteadyUseKeepsTheTarget) {
    Demand demand(1, 100);
    auto now = Clock::time_point(std::chrono::hours(1));
    for (int second = 0; second < 60; ++second) {
        for (int i = 0; i < 20; ++i) {
            demand.on_claim(now, Demand::Claim::hit);
        }
        now += Demand::window;
        demand.decay(now);
        EXPECT_EQ(demand.target(), 20u);
    }
}

TEST(Demand, StaysWithinItsBounds) {
    Demand demand(0, 3);
    const auto now = Clock::time_point(std::chrono::hours(1));
    EXPECT_EQ(demand.target(), 0u);
    demand.on_claim(now, Demand::Claim::miss);
    EXPECT_EQ(demand.target(), 1u);
    for (int i = 0; i < 9; ++i) {
        demand.on_claim(now, Demand::Claim::miss);
    }
    EXPECT_EQ(demand.target(), 3u);
    demand.set_bounds(0, 2);
    EXPECT_EQ(demand.target(), 2u);
    demand.set_bounds(2, 2);
    EXPECT_FALSE(demand.deadline());
}

}  // namespace
}  // namespace split
