// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/event_page.hpp"

#include <gtest/gtest.h>

namespace guest {
namespace {

using hypervisor::process::abi::EventPage;

TEST(EventPage, RingsOncePerWordUntilTheOtherSideLooks) {
    EventPage page{};
    EXPECT_TRUE(set_pending(page, base::EvtchnPort{1}));
    EXPECT_FALSE(set_pending(page, base::EvtchnPort{1}));
    EXPECT_FALSE(set_pending(page, base::EvtchnPort{63}));
    EXPECT_TRUE(set_pending(page, base::EvtchnPort{64}));
    EXPECT_EQ(page.to_host[0], 1ULL << 63 | 1ULL << 1);
    EXPECT_EQ(page.to_host[1], 1U);
    page.to_host[0] = 0;
    EXPECT_TRUE(set_pending(page, base::EvtchnPort{2}));
}

TEST(EventPage, IgnoresPortsOutOfRange) {
    EventPage page{};
    EXPECT_FALSE(set_pending(page, base::EvtchnPort{max_ports}));
    EXPECT_FALSE(set_pending(page, base::EvtchnPort{UINT32_MAX}));
    EXPECT_EQ(page.to_host[0] | page.to_host[1] | page.to_guest[0] | page.to_guest[1], 0U);
}

TEST(EventPage, RingsTheDataDoorbellOnlyWhereThereIsOne) {
    EventPage page{};
    EXPECT_EQ(doorbell_of(page, base::EvtchnPort{64}), Doorbell::control);
    page.data_doorbell = 1;
    EXPECT_EQ(doorbell_of(page, base::EvtchnPort{63}), Doorbell::control);
    EXPECT_EQ(doorbell_of(page, base::EvtchnPort{64}), Doorbell::data);
    EXPECT_EQ(doorbell_of(page, base::EvtchnPort{127}), Doorbell::data);
}

TEST(EventPage, TakesEachPendingPortOnce) {
    EventPage page{};
    EXPECT_FALSE(is_pending(page));
    page.to_guest[1] = 1ULL << 63;
    EXPECT_TRUE(is_pending(page));
    page.to_guest[0] = 2;
    const PortSet ports = take_pending(page);
    EXPECT_TRUE(ports.has(base::EvtchnPort{1}));
    EXPECT_TRUE(ports.has(base::EvtchnPort{127}));
    EXPECT_FALSE(ports.has(base::EvtchnPort{64}));
    EXPECT_FALSE(is_pending(page));
    EXPECT_FALSE(take_pending(page).any());
}

}  // namespace
}  // namespace guest
