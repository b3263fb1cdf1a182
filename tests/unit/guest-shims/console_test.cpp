// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/console.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "fake_guest.hpp"

namespace guest {
namespace {

namespace wire = noxs::wire;
using testing::Each;
using testing::IsEmpty;
using testing::SizeIs;

/// The backend's end: drains output and feeds input whenever the guest sleeps.
class ConsoleTest : public testing::Test {
 protected:
    ConsoleTest() {
        guest.platform.while_asleep = [this] { serve(); };
    }

    wire::ConsoleRing* ring() {
        const std::uint32_t ref = guest.console.page.ring_ref;
        if (guest.console.page.header.frontend_state != wire::State::connected || ref >= guest.platform.grants.size()) {
            return nullptr;
        }
        // Grants hold 32-bit frames, enough for guests but not for a host's addresses: complete them.
        const auto high = reinterpret_cast<std::uintptr_t>(&reference) / base::page_size & ~std::uintptr_t{0xffffffff};
        return reinterpret_cast<wire::ConsoleRing*>((high | guest.platform.grants[ref].frame) * base::page_size);
    }

    void serve() {
        auto* shared = ring();
        if (shared == nullptr) {
            return;
        }
        guest.console.page.header.backend_state = wire::State::connected;
        while (shared->out_cons != shared->out_prod) {
            output += shared->out[shared->out_cons++ % sizeof shared->out];
        }
        while (!input.empty() && shared->in_prod - shared->in_cons < sizeof shared->in) {
            shared->in[shared->in_prod++ % sizeof shared->in] = input.front();
            input.erase(0, 1);
        }
    }

    /// The ring page is one per image: each test starts with it clean.
    void clean(Console& console) { std::memset(&console.ring(), 0, sizeof(wire::ConsoleRing)); }

    void TearDown() override {
        if (auto* shared = ring()) {
            std::memset(shared, 0, sizeof *shared);
        }
    }

    static inline int reference{0};
    FakeGuest guest;
    System system{guest.platform, guest.boot(), 0};
    std::string output;
    std::string input;
};

TEST_F(ConsoleTest, PublishesItsRing) {
    guest.platform.grants[base::grant_reserved_entries].flags = base::grant_permit_access;  // seeded by the toolstack
    Console console(system);
    EXPECT_TRUE(console.connected());
    EXPECT_EQ(guest.console.page.ring_ref, base::grant_reserved_entries + 1);
    EXPECT_EQ(guest.console.page.ring_size, 4096U);
    EXPECT_EQ(guest.console.page.header.frontend_state, wire::State::connected);
    EXPECT_EQ(ring(), &console.ring());
}

TEST_F(ConsoleTest, OutputWaitsForTheBackend) {
    Console console(system);
    console.print("{} and {}\n", 1, "two");
    EXPECT_EQ(guest.platform.waits, 0U);
    serve();
    EXPECT_EQ(output, "1 and two\n");
}

TEST_F(ConsoleTest, RingsOncePerFlush) {
    Console console(system);
    guest.platform.rung.clear();
    for (int i = 0; i < 10; ++i) {
        console.put("some text ");
    }
    EXPECT_THAT(guest.platform.rung, IsEmpty());
    console.flush();
    console.flush();
    EXPECT_THAT(guest.platform.rung, SizeIs(1));
}

TEST_F(ConsoleTest, BlocksWhileTheRingIsFullAndLosesNothing) {
    Console console(system);
    std::string text;
    for (int i = 0; i < 3000; ++i) {
        text += std::to_string(i) + ',';
    }
    console.put(text);
    console.flush();
    serve();
    EXPECT_EQ(output, text);
    EXPECT_GT(guest.platform.waits, 0U);
    EXPECT_THAT(guest.platform.rung, Each(std::uint32_t{FakeGuest::console_port}));
}

TEST_F(ConsoleTest, ReadsLinesOfEveryEnding) {
    Console console(system);
    input = "one\ntwo\r\nthree\rfour\n";
    char space[64];
    EXPECT_EQ(console.read_line(space), "one");
    EXPECT_EQ(console.read_line(space), "two");
    EXPECT_EQ(console.read_line(space), "three");
    EXPECT_EQ(console.read_line(space), "four");
}

TEST_F(ConsoleTest, LongLinesComeInPieces) {
    Console console(system);
    input = "abcdef\n";
    char space[4];
    EXPECT_EQ(console.read_line(space), "abcd");
    EXPECT_EQ(console.read_line(space), "ef");
}

TEST_F(ConsoleTest, ReadsMoreThanTheRingHolds) {
    Console console(system);
    const std::string line(5000, 'x');
    input = line + "\n";
    static char space[8192];
    EXPECT_EQ(console.read_line(space), line);
}

TEST_F(ConsoleTest, WithoutADeviceThePlatformGetsTheText) {
    guest.devices.count = 1;
    Console console(system);
    const std::string text(10'000, 'x');
    console.print("perhaps somebody hears {}", text.c_str());
    EXPECT_FALSE(console.connected());
    EXPECT_THAT(guest.platform.rung, IsEmpty());
    EXPECT_EQ(guest.platform.printed, "perhaps somebody hears " + text);
    EXPECT_THROW(system.panic("no way"), GuestEnded);
    EXPECT_THAT(guest.platform.printed, testing::EndsWith("panic: no way\n"));
}

TEST_F(ConsoleTest, FollowsTheBackendThatClosesAndOpens) {
    Console console(system);
    serve();
    guest.console.page.header.backend_state = wire::State::closing;
    console.print("dropped");
    EXPECT_FALSE(console.connected());
    EXPECT_EQ(guest.console.page.header.frontend_state, wire::State::closed);
    guest.console.page.header.backend_state = wire::State::init_wait;
    console.print("kept");
    EXPECT_TRUE(console.connected());
    serve();
    EXPECT_EQ(output, "kept");
    EXPECT_EQ(guest.platform.printed, "");
}

TEST_F(ConsoleTest, ClosesWhenTheBackendBreaksTheRing) {
    Console console(system);
    guest.console.page.header.backend_state = wire::State::connected;
    console.ring().out_cons = 5000;
    console.print("text");
    EXPECT_FALSE(console.connected());
    EXPECT_EQ(guest.console.page.header.frontend_state, wire::State::closed);
    clean(console);
}

TEST_F(ConsoleTest, PowersOffWhileItWaitsForInput) {
    Console console(system);
    guest.sysctl.page.requests = static_cast<std::uint32_t>(wire::SysctlRequest::power_off);
    char space[8];
    EXPECT_THROW(console.read_line(space), GuestEnded);
}

TEST_F(ConsoleTest, PanicSaysWhy) {
    Console console(system);
    EXPECT_THROW(system.panic("no way"), GuestEnded);
    EXPECT_EQ(guest.sysctl.page.reason, wire::ShutdownReason::crash);
    console.flush();
    serve();
    EXPECT_EQ(output, "panic: no way\n");
}

}  // namespace
}  // namespace guest
