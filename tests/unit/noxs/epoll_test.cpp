// SPDX-License-Identifier: Apache-2.0
#include "noxs/plane/epoll.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <set>
#include <vector>

namespace noxs {
namespace {

TEST(Epoll, TellsOfAllThatIsReadyAtOnce) {
    constexpr std::uint32_t count = 300;
    const auto epoll = *Epoll::open();
    std::vector<base::Fd> bells;
    for (std::uint32_t i = 0; i < count; ++i) {
        bells.emplace_back(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
        ASSERT_TRUE(epoll.watch(bells.back().get(), EPOLLIN | EPOLLET, {Source::lane, i}));
    }
    std::set<std::uint32_t> told;
    const auto look = [&] {
        epoll.wait(0, [&](Epoll::Event event) {
            EXPECT_EQ(event.source, Source::lane);
            told.insert(event.id);
        });
    };
    look();
    EXPECT_EQ(told.size(), count);
    told.clear();
    look();
    EXPECT_TRUE(told.empty());
    epoll.unwatch(bells[7].get());
    const std::uint64_t one = 1;
    for (const unsigned which : {7, 8}) {
        ASSERT_GT(::write(bells[which].get(), &one, sizeof one), 0);
    }
    look();
    EXPECT_EQ(told, std::set<std::uint32_t>{8});
}

TEST(Epoll, EndsWhereSomethingIsReadyForEver) {
    const auto epoll = *Epoll::open();
    std::vector<base::Fd> bells;
    for (std::uint32_t i = 0; i < 64; ++i) {
        bells.emplace_back(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
        ASSERT_TRUE(epoll.watch(bells.back().get(), EPOLLIN, {Source::uplink, i}));
    }
    unsigned events = 0;
    epoll.wait(0, [&](Epoll::Event) { ++events; });
    EXPECT_GE(events, 64U);
}

}  // namespace
}  // namespace noxs
