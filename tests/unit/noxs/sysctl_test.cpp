// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/sysctl.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/fake_domain.hpp"
#include "tests/unit/noxs/recording_listener.hpp"

namespace noxs {
namespace {

using test_support::FakeDomain;
using wire::ShutdownReason;
using wire::State;
using wire::SysctlRequest;

struct Sysctl : testing::Test {
    static constexpr std::uint32_t port = 3;

    wire::SysctlControl& page() { return domain.page<wire::SysctlControl>(FakeDomain::control_gfn); }
    base::Mapping mapping() { return *domain.map_pages(base::Gfn(FakeDomain::control_gfn), 1); }
    wire::DeviceEntry entry() {
        wire::DeviceEntry made{};
        made.type = wire::DeviceType::sysctl;
        made.port = port;
        return made;
    }
    std::unique_ptr<SysctlBackend> create() { return *SysctlBackend::create(domain, entry(), mapping(), listener); }
    std::unique_ptr<SysctlBackend> adopt() { return *SysctlBackend::adopt(domain, entry(), mapping(), listener); }
    void event(SysctlBackend& backend) { EXPECT_EQ(backend.on_event(Clock::time_point{}), std::nullopt); }

    FakeDomain domain;
    test_support::RecordingListener listener;
};

TEST_F(Sysctl, WritesHeaderAtPrepare) {
    const auto backend = create();
    EXPECT_EQ(page().header.version, wire::version);
    EXPECT_EQ(page().header.type, wire::DeviceType::sysctl);
    EXPECT_EQ(page().header.backend_state, State::init_wait);
    EXPECT_EQ(backend->port().value, port);
    EXPECT_EQ(domain.notified(port), 0U);
}

TEST_F(Sysctl, ReportsReadyOnceAndConnects) {
    const auto backend = create();
    event(*backend);
    EXPECT_EQ(listener.ready, 0U);
    page().header.frontend_state = State::connected;
    page().ready = 1;
    event(*backend);
    event(*backend);
    page().ready = 0;
    event(*backend);
    page().ready = 1;
    event(*backend);
    EXPECT_EQ(listener.ready, 1U);
    EXPECT_TRUE(backend->ready());
    EXPECT_EQ(page().header.backend_state, State::connected);
    EXPECT_EQ(domain.notified(port), 0U) << "nobody waits for it";
}

TEST_F(Sysctl, RequestsAndReportsAcknowledgement) {
    const auto backend = create();
    ASSERT_TRUE(backend->request(SysctlRequest::power_off));
    EXPECT_EQ(page().requests, 1U);
    EXPECT_EQ(domain.notified(port), 1U);
    page().acknowledged = 1 | 2 | 0xffff0000;  // the guest also acknowledges what nobody asked
    event(*backend);
    event(*backend);
    EXPECT_EQ(listener.acknowledged, (std::vector<std::uint32_t>{1}));
    ASSERT_TRUE(backend->request(SysctlRequest::reboot));
    EXPECT_EQ(page().requests, 3U);
    event(*backend);
    EXPECT_EQ(listener.acknowledged, (std::vector<std::uint32_t>{1, 2}));
}

TEST_F(Sysctl, ReportsShutdownOnce) {
    const auto backend = create();
    page().exit_code = -3;
    page().reason = ShutdownReason::power_off;
    event(*backend);
    page().reason = ShutdownReason::crash;
    page().exit_code = 99;
    event(*backend);
    ASSERT_EQ(listener.shutdowns.size(), 1U);
    EXPECT_EQ(listener.shutdowns[0].reason, ShutdownReason::power_off);
    EXPECT_EQ(listener.shutdowns[0].exit_code, -3);
    EXPECT_EQ(backend->final_state().reason, ShutdownReason::power_off) << "the words that were reported";
    EXPECT_EQ(backend->final_state().exit_code, -3);
}

TEST_F(Sysctl, ReadsLastWordsOfDeadGuest) {
    const auto backend = create();
    EXPECT_EQ(backend->final_state().reason, ShutdownReason::none);
    page().exit_code = 12;
    page().reason = ShutdownReason::out_of_memory;
    domain.die();
    EXPECT_EQ(backend->final_state().reason, ShutdownReason::out_of_memory);
    EXPECT_EQ(backend->final_state().exit_code, 12);
    event(*backend);
    EXPECT_EQ(listener.shutdowns.size(), 1U);
}

TEST_F(Sysctl, TakesUnknownReasonForCrash) {
    const auto backend = create();
    page().reason = static_cast<ShutdownReason>(0xdeadbeef);
    event(*backend);
    ASSERT_EQ(listener.shutdowns.size(), 1U);
    EXPECT_EQ(listener.shutdowns[0].reason, ShutdownReason::crash);
}

TEST_F(Sysctl, FollowsCloseAndReopen) {
    const auto backend = create();
    page().header.frontend_state = State::connected;
    event(*backend);
    page().header.frontend_state = State::closing;
    event(*backend);
    EXPECT_EQ(page().header.backend_state, State::closed);
    EXPECT_EQ(domain.notified(port), 1U);
    EXPECT_EQ(backend->request(SysctlRequest::power_off).error().code, base::Code::bad_state);
    page().header.frontend_state = State::initialising;
    event(*backend);
    EXPECT_EQ(page().header.backend_state, State::init_wait);
    page().header.frontend_state = State::connected;
    event(*backend);
    EXPECT_EQ(page().header.backend_state, State::connected);
}

TEST_F(Sysctl, AdoptsReadyGuestSilently) {
    {
        const auto first = create();
        page().header.frontend_state = State::connected;
        page().ready = 1;
        event(*first);
        ASSERT_TRUE(first->request(SysctlRequest::power_off));
    }
    ASSERT_EQ(listener.ready, 1U);
    const auto second = adopt();
    EXPECT_TRUE(second->ready());
    event(*second);
    EXPECT_EQ(listener.ready, 1U);
    EXPECT_EQ(page().header.backend_state, State::connected);
    EXPECT_EQ(page().requests, 1U) << "still asked for";
    EXPECT_EQ(domain.notified(port), 2U) << "the first daemon may have died before its ring";
    page().acknowledged = 1;
    event(*second);
    EXPECT_EQ(listener.acknowledged.size(), 1U);
}

TEST_F(Sysctl, AdoptsDamagedPage) {
    std::memset(&page(), 0xff, sizeof(wire::SysctlControl));
    const auto backend = adopt();
    EXPECT_EQ(page().header.version, wire::version);
    EXPECT_EQ(page().header.backend_state, State::closed);
    EXPECT_FALSE(backend->ready()) << "only 1 is ready";
    event(*backend);
    EXPECT_EQ(listener.shutdowns.size(), 1U);
}

TEST_F(Sysctl, RefusesShortControlPage) {
    std::byte few[64]{};
    const auto made = SysctlBackend::create(domain, entry(), base::Mapping::view(few, sizeof(few)), listener);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, base::Code::invalid_argument);
}

/// A listener that ends the domain at once, as the toolstack may.
class Destroyer final : public BackendListener {
 public:
    std::unique_ptr<SysctlBackend> backend;
    unsigned calls{0};

    void on_ready(base::DomId) override {
        backend.reset();
        ++calls;
    }
    void on_shutdown(base::DomId, ShutdownReason, std::int32_t) override { ++calls; }
    void on_acknowledged(base::DomId, std::uint32_t) override { ++calls; }
    void on_console_output(base::DomId, std::uint64_t, std::span<const char>) override {}
};

TEST_F(Sysctl, SurvivesListenerThatDestroysIt) {
    Destroyer destroyer;
    destroyer.backend = *SysctlBackend::create(domain, entry(), mapping(), destroyer);
    page().ready = 1;
    page().reason = ShutdownReason::power_off;
    destroyer.backend->on_event(Clock::time_point{});
    EXPECT_EQ(destroyer.calls, 2U);
}

}  // namespace
}  // namespace noxs
