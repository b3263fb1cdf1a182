// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/console_ring.hpp"

#include <gtest/gtest.h>

#include <string>

namespace guest {
namespace {

TEST(ConsoleRingFrontend, TakesWhatFits) {
    noxs::wire::ConsoleRing ring{};
    ConsoleRingFrontend frontend(ring);
    EXPECT_EQ(frontend.write(std::string(3000, 'a')), 2048U);
    EXPECT_EQ(frontend.write("b"), 0U);
    ring.out_cons = 10;
    EXPECT_EQ(frontend.write(std::string(11, 'b')), 10U);
    EXPECT_EQ(ring.out_prod, 2058U);
    EXPECT_EQ(ring.out[9], 'b');
    EXPECT_EQ(ring.out[10], 'a');
}

TEST(ConsoleRingFrontend, BytesComeOutInOrderAroundTheEnd) {
    noxs::wire::ConsoleRing ring{};
    ConsoleRingFrontend frontend(ring);
    std::string got, sent;
    for (int round = 0; round < 500; ++round) {
        const std::string text = std::to_string(round * 7919);
        ASSERT_EQ(frontend.write(text), text.size());
        sent += text;
        for (; ring.out_cons != ring.out_prod; ++ring.out_cons) {
            got += ring.out[ring.out_cons % sizeof ring.out];
        }
    }
    EXPECT_EQ(got, sent);
}

TEST(ConsoleRingFrontend, RejectsAConsumerAheadOfIt) {
    noxs::wire::ConsoleRing ring{};
    ConsoleRingFrontend frontend(ring);
    for (const std::uint32_t cons : {1U, 5000U, 0x7fffffffU, 0x80000000U, 0xfffff7ffU, 0xffffefffU}) {
        ring.out_cons = cons;
        EXPECT_EQ(frontend.write("x"), std::nullopt) << cons;
    }
}

TEST(ConsoleRingFrontend, RejectsAProducerTooFarAhead) {
    noxs::wire::ConsoleRing ring{};
    ConsoleRingFrontend frontend(ring);
    char space[2048];
    for (const std::uint32_t prod : {1025U, 0x7fffffffU, 0xffffffffU}) {
        ring.in_prod = prod;
        EXPECT_EQ(frontend.read(space), std::nullopt) << prod;
    }
    ring.in_prod = 1024;
    EXPECT_EQ(frontend.read(space), 1024U);
    EXPECT_EQ(ring.in_cons, 1024U);
}

TEST(ConsoleRingFrontend, DoesNotBelieveItsOwnSharedIndices) {
    noxs::wire::ConsoleRing ring{};
    ConsoleRingFrontend frontend(ring);
    ASSERT_EQ(frontend.write("abc"), 3U);
    ring.out_prod = 0xdeadbeef;
    ring.in_cons = 0xdeadbeef;
    EXPECT_EQ(frontend.write("d"), 1U);
    EXPECT_EQ(ring.out_prod, 4U);
    ring.in_prod = 1;
    ring.in[0] = 'z';
    char c{};
    EXPECT_EQ(frontend.read({&c, 1}), 1U);
    EXPECT_EQ(c, 'z');
}

}  // namespace
}  // namespace guest
