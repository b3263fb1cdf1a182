// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>

#include "noxs/uplink/tap.hpp"

namespace {

using noxs::Frame;

std::string contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// A network namespace of its own: the host's devices are left alone. Not permitted everywhere.
class TapTest : public testing::Test {
 protected:
    void SetUp() override {
        host_.reset(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
        if (::unshare(CLONE_NEWNET) != 0) {
            GTEST_SKIP() << "no network namespace of its own: " << std::strerror(errno) << " (run it as root)";
        }
        entered_ = true;
        auto made = noxs::open_tap(settings_);
        if (!made &&
            (made.error().code == base::Code::unsupported || made.error().code == base::Code::permission_denied)) {
            GTEST_SKIP() << made.error().message;
        }
        ASSERT_TRUE(made) << made.error().message;
        tap_ = *std::move(made);
    }
    void TearDown() override {
        tap_.reset();
        if (entered_) {
            ASSERT_EQ(::setns(host_.get(), CLONE_NEWNET), 0);
        }
    }
    /// What the host says of the device in an ioctl.
    ifreq ask(unsigned long what, const char* name = "testnet") const {
        const base::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        if (::ioctl(socket.get(), what, &request) != 0) {
            request.ifr_flags = 0;
            request.ifr_name[0] = '\0';
        }
        return request;
    }

    noxs::TapSettings settings_{"testnet", *noxs::parse_ipv4_net("10.9.0.1/24"), {}, false};
    base::Fd host_;
    bool entered_{false};
    std::unique_ptr<noxs::DataPlane::Uplink> tap_;
};

TEST_F(TapTest, HasItsAddressAndIsUp) {
    EXPECT_NE(ask(SIOCGIFFLAGS).ifr_flags & IFF_UP, 0);
    const auto address = ask(SIOCGIFADDR);
    EXPECT_EQ(std::memcmp(address.ifr_addr.sa_data + 2, settings_.address.address.bytes.data(), 4), 0);
}

TEST_F(TapTest, OutlivesItsDaemonAndIsAttachedToAgain) {
    const auto before = ask(SIOCGIFHWADDR);
    tap_.reset();
    auto again = noxs::open_tap(settings_);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(std::memcmp(before.ifr_hwaddr.sa_data, ask(SIOCGIFHWADDR).ifr_hwaddr.sa_data, 6), 0);
}

TEST_F(TapTest, IsOneProcessesAtATime) {
    const auto again = noxs::open_tap(settings_);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().message, "the tap device 'testnet' is in use by another process");
}

TEST_F(TapTest, ADeviceOfOthersIsLeftAlone) {
    settings_.name = "lo";
    const auto taken = noxs::open_tap(settings_);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, base::Code::name_in_use);
    EXPECT_TRUE(noxs::remove_tap("lo"));
    EXPECT_STREQ(ask(SIOCGIFFLAGS, "lo").ifr_name, "lo");
}

TEST_F(TapTest, WithoutItsBridgeNothingIsMade) {
    settings_.name = "other";
    settings_.bridge = "nobridge";
    const auto refused = noxs::open_tap(settings_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Code::not_found);
    EXPECT_STREQ(ask(SIOCGIFFLAGS, "other").ifr_name, "");
}

TEST_F(TapTest, IsGoneWhenItIsRemoved) {
    tap_.reset();
    EXPECT_TRUE(noxs::remove_tap("testnet"));
    EXPECT_STREQ(ask(SIOCGIFFLAGS).ifr_name, "");
    EXPECT_TRUE(noxs::remove_tap("testnet"));
}

TEST_F(TapTest, NatIsAddedTwiceAndRemoved) {
    settings_.nat = true;
    for (int round = 0; round < 2; ++round) {
        tap_.reset();
        auto made = noxs::open_tap(settings_);
        if (!made && made.error().code == base::Code::unsupported) {
            GTEST_SKIP() << made.error().message;
        }
        ASSERT_TRUE(made) << made.error().message;
        tap_ = *std::move(made);
    }
    EXPECT_EQ(contents("/proc/sys/net/ipv4/ip_forward"), "1\n");
    tap_.reset();
    EXPECT_TRUE(noxs::remove_tap("testnet"));
}

TEST_F(TapTest, TheHostAnswersAnArpRequest) {
    std::array<std::uint8_t, 42> request{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,  2, 8, 6,
                                         0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,  0, 0, 2,
                                         10,   9,    0,    2,    0,    0,    0, 0, 0, 0, 10, 9, 0, 1};
    ASSERT_TRUE(tap_->deliver({std::as_bytes(std::span(request))}));
    bool answered = false;
    pollfd ready{tap_->fd(), POLLIN, 0};
    while (!answered && ::poll(&ready, 1, 20'000) == 1) {
        tap_->receive(16, [&](const Frame& frame) {
            answered = answered || (frame.bytes.size() >= 42 && frame.bytes[12] == std::byte{8} &&
                                    frame.bytes[13] == std::byte{6} && frame.bytes[21] == std::byte{2} &&
                                    frame.bytes[0] == std::byte{2});
        });
    }
    EXPECT_TRUE(answered);
}

TEST_F(TapTest, DropsFramesThatAreNone) {
    const std::vector<std::byte> bytes(70'000);
    EXPECT_FALSE(tap_->deliver({std::span(bytes).first(13)}));
    EXPECT_FALSE(tap_->deliver({bytes}));
    EXPECT_FALSE(tap_->deliver({std::span(bytes).first(60), 50, 30}));
    const auto counters = tap_->counters();
    ASSERT_EQ(counters[2].first, "dropped");
    EXPECT_EQ(counters[2].second, 3U);
}

}  // namespace
