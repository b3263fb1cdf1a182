// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/console.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/noxs/console_guest.hpp"

namespace noxs {
namespace {

using wire::State;

struct Console : test_support::ConsoleGuest {};

TEST_F(Console, ConnectsByHandshake) {
    const auto backend = create();
    EXPECT_EQ(control().header.backend_state, State::init_wait);
    EXPECT_EQ(backend->on_event(now), std::nullopt);
    EXPECT_EQ(control().header.backend_state, State::init_wait);
    publish_ring();
    EXPECT_EQ(backend->on_event(now), std::nullopt);
    EXPECT_EQ(control().header.backend_state, State::connected);
    EXPECT_EQ(domain.notified(port), 1U);
    EXPECT_EQ(domain.grant_maps(), 1U);
}

TEST_F(Console, CostsLittleWhileIdle) {
    EXPECT_LE(sizeof(ConsoleBackend), 200U);
    const auto backend = connected();
    EXPECT_FALSE(std::filesystem::exists(folder.file("7.log"))) << "made at the first output";
}

TEST_F(Console, DrainsOutputIntoLogAndListener) {
    const auto backend = connected();
    print("Hello ");
    backend->on_event(now);
    print("world\n");
    backend->on_event(now);
    EXPECT_EQ(listener.output, "Hello world\n");
    EXPECT_EQ(listener.offsets, (std::vector<std::uint64_t>{0, 6}));
    EXPECT_EQ(backend->log_text().bytes, "Hello world\n");
    EXPECT_EQ(ring().out_cons, 12U);
    EXPECT_EQ(domain.notified(port), 3U) << "once to connect, once for each drain";
    backend->on_event(now);
    EXPECT_EQ(domain.notified(port), 3U) << "nothing drained, nothing rung";
}

TEST_F(Console, TakesOutputWrittenBeforeItConnected) {
    const auto backend = create();
    publish_ring();
    print("early");
    backend->on_event(now);
    EXPECT_EQ(listener.output, "early");
}

TEST_F(Console, WrapsAroundTheRingAndTheIndices) {
    const auto backend = create();
    ring().out_prod = ring().out_cons = 0xffffff00;
    publish_ring();
    std::string expected;
    for (int i = 0; i < 40; ++i) {
        const std::string text(static_cast<std::size_t>(100 + i * 7), static_cast<char>('a' + i % 26));
        EXPECT_EQ(print(text), text.size());
        expected += text;
        backend->on_event(now);
    }
    EXPECT_EQ(listener.output, expected);
    EXPECT_EQ(ring().out_cons, static_cast<std::uint32_t>(0xffffff00 + expected.size()));
}

TEST_F(Console, GivesInputAsItFits) {
    const auto backend = connected();
    const std::string text(1500, 'x');
    EXPECT_EQ(backend->write_input(text), 1024U);
    EXPECT_EQ(backend->write_input(text), 0U);
    EXPECT_EQ(domain.notified(port), 2U);
    EXPECT_EQ(read_input(), text.substr(0, 1024));
    EXPECT_EQ(backend->write_input(std::string_view("more")), 4U);
    EXPECT_EQ(read_input(), "more");
}

TEST_F(Console, TakesNoInputBeforeConnectedAndAfterClosed) {
    const auto backend = create();
    EXPECT_EQ(backend->write_input(std::string_view("x")), 0U);
    publish_ring();
    backend->on_event(now);
    control().header.frontend_state = State::closed;
    backend->on_event(now);
    EXPECT_EQ(backend->write_input(std::string_view("x")), 0U);
}

TEST_F(Console, DrainsBeforeItClosesAndReopens) {
    const auto backend = connected();
    print("last words");
    control().header.frontend_state = State::closing;
    backend->on_event(now);
    EXPECT_EQ(listener.output, "last words");
    EXPECT_EQ(control().header.backend_state, State::closed);
    publish_ring();
    backend->on_event(now);
    EXPECT_EQ(control().header.backend_state, State::closed) << "only by way of Initialising";
    control().header.frontend_state = State::initialising;
    backend->on_event(now);
    EXPECT_EQ(control().header.backend_state, State::init_wait);
    ring() = {};
    publish_ring();
    print(", again");
    backend->on_event(now);
    EXPECT_EQ(listener.output, "last words, again");
}

/// A guest that fills its ring again as fast as it is drained.
struct Refill final : BackendListener {
    explicit Refill(Console& who) : guest(who) {}
    void on_ready(base::DomId) override {}
    void on_shutdown(base::DomId, wire::ShutdownReason, std::int32_t) override {}
    void on_acknowledged(base::DomId, std::uint32_t) override {}
    void on_console_output(base::DomId, std::uint64_t, std::span<const char> bytes) override {
        taken += bytes.size();
        guest.print(std::string(2048, 'f'));
    }
    Console& guest;
    std::size_t taken{0};
};

TEST_F(Console, BoundsWorkOfOneCall) {
    Refill refill(*this);
    const auto backend = *ConsoleBackend::create(domain, entry(), mapping(), refill, settings());
    publish_ring();
    print("start");
    EXPECT_EQ(backend->on_event(now), now) << "wants to go on at once";
    EXPECT_GT(refill.taken, 8192U);
    EXPECT_LE(refill.taken, ConsoleBackend::work_bound);
}

TEST_F(Console, StaysAwayUntilAQuarterOfTheBurst) {
    throttle = {.bytes_per_second = 1'000'000, .burst = 32'768};
    const auto backend = connected();
    std::optional<Clock::time_point> again;
    for (int i = 0; i < 100 && !again; ++i) {
        print(std::string(2048, 'f'));
        again = backend->on_event(now);
    }
    ASSERT_EQ(again, now + std::chrono::microseconds(8192));
    const std::size_t before = listener.output.size();
    print(std::string(2048, 'f'));
    EXPECT_EQ(backend->on_event(now + std::chrono::microseconds(8000)), again);
    EXPECT_EQ(listener.output.size(), before);
    EXPECT_EQ(backend->throttled(), 1U);
    EXPECT_EQ(backend->on_event(*again), std::nullopt);
    EXPECT_GT(listener.output.size(), before);
}

TEST_F(Console, ThrottlesFloodAndGoesOnLater) {
    throttle = {.bytes_per_second = 100'000, .burst = 8192};
    const auto backend = connected();
    const std::string full(2048, 'f');
    std::optional<Clock::time_point> again;
    for (int i = 0; i < 100 && !again; ++i) {
        print(full);
        again = backend->on_event(now);
    }
    ASSERT_TRUE(again);
    EXPECT_GT(*again, now);
    const std::size_t burst = listener.output.size();
    EXPECT_LE(burst, 8192U);
    EXPECT_EQ(backend->throttled(), 1U);

    print(full);
    EXPECT_EQ(backend->on_event(now), again) << "no work before its time";
    EXPECT_EQ(listener.output.size(), burst);

    // For a simulated second the guest fills the ring whenever it can.
    for (const auto end = now + std::chrono::seconds(1); now < end; now = again ? *again : now) {
        print(full);
        again = backend->on_event(now);
    }
    EXPECT_LE(listener.output.size(), burst + 100'000 + 8192);
    EXPECT_GE(listener.output.size(), burst + 90'000);
}

TEST_F(Console, LetsQuietGuestThroughAfterFlood) {
    throttle = {.bytes_per_second = 100'000, .burst = 4096};
    const auto backend = connected();
    for (int i = 0; i < 10; ++i) {
        print(std::string(2048, 'f'));
        backend->on_event(now);
    }
    now += std::chrono::seconds(5);
    EXPECT_EQ(backend->on_event(now), std::nullopt);
    print("calm");
    EXPECT_EQ(backend->on_event(now), std::nullopt);
    EXPECT_TRUE(listener.output.ends_with("calm"));
}

TEST_F(Console, FinishesDeadGuestEvenWhenThrottled) {
    throttle = {.bytes_per_second = 1, .burst = 2048};
    const auto backend = connected();
    print(std::string(2048, 'f'));
    backend->on_event(now);
    print("the end");
    backend->on_event(now);
    EXPECT_FALSE(listener.output.ends_with("the end"));
    domain.die();
    backend->finish();
    EXPECT_TRUE(listener.output.ends_with("the end"));
}

TEST_F(Console, FinishesGuestThatDiedBeforeAnybodyLooked) {
    const auto backend = create();
    publish_ring();
    print("short life");
    domain.die();
    backend->finish();
    EXPECT_EQ(listener.output, "short life");
}

TEST_F(Console, KeepsOutputOfGuestThatCameAndWent) {
    const auto backend = create();
    publish_ring();
    print("came and went");
    control().header.frontend_state = State::closed;
    backend->on_event(now);
    EXPECT_EQ(listener.output, "came and went");
    EXPECT_EQ(control().header.backend_state, State::closed);
}

TEST_F(Console, AdoptsConnectedGuest) {
    {
        const auto first = connected();
        print("before ");
        first->on_event(now);
    }
    print("meanwhile ");
    const auto second = adopt();
    EXPECT_TRUE(second->connected());
    EXPECT_EQ(domain.grant_maps(), 2U);
    second->on_event(now);
    print("after");
    second->on_event(now);
    EXPECT_EQ(listener.output, "before meanwhile after");
    EXPECT_EQ(listener.offsets, (std::vector<std::uint64_t>{0, 7, 17}));
    EXPECT_EQ(second->log_text().bytes, "before meanwhile after");
    EXPECT_EQ(second->write_input(std::string_view("in")), 2U);
    EXPECT_EQ(read_input(), "in");
}

TEST_F(Console, AdoptsGuestThatHasNotConnectedYet) {
    create();
    const auto second = adopt();
    publish_ring();
    print("hi");
    second->on_event(now);
    EXPECT_EQ(listener.output, "hi");
}

TEST_F(Console, AdoptsWithWithdrawnGrantAndCloses) {
    connected();
    domain.grant(ring_ref) = {};
    const auto second = adopt();
    EXPECT_FALSE(second->connected());
    EXPECT_EQ(control().header.backend_state, State::closing);
    EXPECT_EQ(second->on_event(now), std::nullopt);
}

TEST_F(Console, UsesCapacityOfTheConfiguration) {
    const auto backend = connected();
    backend->set_log_capacity(base::Bytes(10));
    print("0123456789abcdef");
    backend->on_event(now);
    EXPECT_EQ(backend->log_text().bytes, "6789abcdef");
    EXPECT_EQ(backend->log_text().offset, 6U);
}

}  // namespace
}  // namespace noxs
