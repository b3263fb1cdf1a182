// SPDX-License-Identifier: Apache-2.0
#include "noxs/data_plane.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "base/log.hpp"
#include "noxs/backends.hpp"
#include "tests/support/eventually.hpp"
#include "tests/unit/noxs/vif_guest.hpp"

namespace noxs {
namespace {

using test_support::Bytes;
using test_support::FakeDomain;
using test_support::ip;
using test_support::mac;
using test_support::udp_frame;
using test_support::VifGuest;
using wire::State;

/// Frames over a socket pair, one each datagram.
class SocketUplink final : public DataPlane::Uplink {
 public:
    explicit SocketUplink(base::Fd fd) : fd_(std::move(fd)) {}
    int fd() const override { return fd_.get(); }
    std::size_t receive(std::size_t budget, const std::function<void(const Frame&)>& into) override {
        std::array<std::byte, 2048> bytes;
        std::size_t count = 0;
        for (; count < budget; ++count) {
            const auto size = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (size <= 0) {
                break;
            }
            into({std::span(bytes).first(static_cast<std::size_t>(size)), 0, 0});
        }
        return count;
    }
    bool deliver(const Frame& frame) override {
        return ::send(fd_.get(), frame.bytes.data(), frame.bytes.size(), MSG_DONTWAIT) > 0;
    }
    void flush() override {}
    Counters counters() const override { return {{"sent", 1}}; }

 private:
    base::Fd fd_;
};

struct Listener final : PlaneListener {
    void on_stopped(const DeviceName& device, const std::string& why) override { stopped.emplace_back(device, why); }
    void on_closed(const DeviceName& device) override { closed.push_back(device); }
    std::vector<std::pair<DeviceName, std::string>> stopped;
    std::vector<DeviceName> closed;
};

struct DataPlaneTest : testing::Test {
    void SetUp() override {
        base::set_log_level(base::Level::error);
        open();
    }
    void TearDown() override { base::set_log_level(base::Level::info); }
    void open() {
        auto opened = DataPlane::open();
        ASSERT_TRUE(opened) << opened.error().message;
        plane = *std::move(opened);
        ASSERT_TRUE(plane->add_switch("default"));
    }
    VifGuest& add(unsigned number, Origin origin = Origin::fresh) {
        auto& guest = guests[number];
        if (!guest) {
            guest = std::make_unique<VifGuest>(number);
        }
        plane->add_domain(*guest->domain.open_data_lane({}));
        plane->add({guest->domain.id(), guest->entry(), guest->settings, origin});
        return *guest;
    }
    static DeviceName name(const VifGuest& guest) { return {guest.domain.id(), wire::DeviceType::vif, 3}; }
    static bool is(VifGuest& guest, State state) { return load_acquire(guest.control().header.backend_state) == state; }
    /// Frontends ring when they were asked to; this one always does.
    static void connect(VifGuest& guest) {
        guest.publish();
        guest.domain.lane().ring();
        ASSERT_TRUE(test_support::eventually([&] { return is(guest, State::connected); }));
    }
    static bool answered(VifGuest& guest, std::uint32_t count) {
        return test_support::eventually([&] { return load_acquire(guest.tx().header.rsp_prod) == count; });
    }
    bool told(auto what) {
        pollfd events{plane->poll_fd(), POLLIN, 0};
        return test_support::eventually([&] {
            if (::poll(&events, 1, 0) > 0) {
                plane->poll(listener);
            }
            return what();
        });
    }

    std::unique_ptr<VifGuest> guests[20];
    Listener listener;
    std::unique_ptr<DataPlane> plane;
};

TEST_F(DataPlaneTest, ServesTwoGuests) {
    auto& one = add(1);
    auto& two = add(2);
    connect(one);
    connect(two);
    two.post(10);
    one.send(udp_frame(mac(2), mac(1), ip(1), ip(2)));
    one.domain.lane().ring();
    ASSERT_TRUE(answered(one, 1));
    ASSERT_TRUE(test_support::eventually([&] { return load_acquire(two.rx().header.rsp_prod) == 1; }));
    const auto got = two.received();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].bytes, udp_frame(mac(2), mac(1), ip(1), ip(2)));

    const auto status = plane->status(one.domain.id());
    ASSERT_EQ(status.size(), 1U);
    EXPECT_EQ(status[0].backend, State::connected);
    EXPECT_EQ(status[0].counters[0], (std::pair<std::string, std::uint64_t>("tx_packets", 1)));
    EXPECT_EQ(plane->switch_status("default")->ports, 2U);
    EXPECT_TRUE(plane->status(base::DomId(9)).empty());

    plane->remove_domain(one.domain.id());
    const auto totals = plane->totals();
    ASSERT_EQ(totals.vifs.size(), status[0].counters.size());
    EXPECT_EQ(totals.vifs[0], status[0].counters[0]) << "also of a guest that is gone";
    EXPECT_EQ(totals.vifs[2], (std::pair<std::string, std::uint64_t>("rx_packets", 1)));
    EXPECT_TRUE(totals.vbds.empty());
}

TEST_F(DataPlaneTest, ManyPacketsNeedFewRings) {
    auto& one = add(1);
    auto& two = add(2);
    connect(one);
    connect(two);
    for (unsigned sent = 0; sent < 20'000; sent += 50) {
        two.post(50);
        for (unsigned i = 0; i < 50; ++i) {
            one.send(udp_frame(mac(2), mac(1), ip(1), ip(2)));
        }
        if (load_acquire(one.tx().header.req_event) <= sent + 50) {
            one.domain.lane().ring();
        }
        ASSERT_TRUE(answered(one, sent + 50));
        ASSERT_TRUE(test_support::eventually([&] { return load_acquire(two.rx().header.rsp_prod) == sent + 50; }));
        ASSERT_EQ(two.received().size(), 50U);
    }
}

TEST_F(DataPlaneTest, WakesNobodyWhileNothingHappens) {
    auto& one = add(1);
    connect(one);
    ASSERT_TRUE(test_support::eventually([&] { return load_acquire(one.tx().header.req_event) == 1; }));
    const unsigned before = one.domain.lane().notified();
    ASSERT_EQ(plane->status(one.domain.id()).size(), 1U);
    EXPECT_EQ(one.domain.lane().notified(), before);
}

TEST_F(DataPlaneTest, JoinsAnUplink) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    const base::Fd host(ends[0]);
    ASSERT_TRUE(plane->plug("default", "tap", std::make_unique<SocketUplink>(base::Fd(ends[1]))));
    auto& one = add(1);
    connect(one);
    one.post(10);
    const auto in = udp_frame(mac(1), mac(50), ip(50), ip(1));
    ASSERT_EQ(::send(host.get(), in.data(), in.size(), 0), static_cast<ssize_t>(in.size()));
    ASSERT_TRUE(test_support::eventually([&] { return load_acquire(one.rx().header.rsp_prod) == 1; }));
    one.send(udp_frame(mac(50), mac(1), ip(1), ip(50)));
    one.domain.lane().ring();
    Bytes got(2048);
    ASSERT_TRUE(test_support::eventually([&] {
        const auto size = ::recv(host.get(), got.data(), got.size(), MSG_DONTWAIT);
        got.resize(size > 0 ? static_cast<std::size_t>(size) : got.size());
        return size > 0;
    }));
    EXPECT_EQ(got, udp_frame(mac(50), mac(1), ip(1), ip(50)));
    EXPECT_EQ(plane->switch_status("default")->learned, 1U);
    EXPECT_EQ(plane->switch_status("default")->counters.back().first, "tap_sent");
    ASSERT_TRUE(plane->unplug("default", "tap"));
    char byte = 0;
    EXPECT_EQ(::recv(host.get(), &byte, 1, 0), 0) << "it was destroyed";
}

TEST_F(DataPlaneTest, SwitchesHaveNames) {
    EXPECT_EQ(plane->add_switch("default").error().code, base::Code::name_in_use);
    EXPECT_EQ(plane->remove_switch("other").error().code, base::Code::not_found);
    EXPECT_EQ(plane->switch_status("other").error().code, base::Code::not_found);
    EXPECT_EQ(plane->unplug("default", "tap").error().code, base::Code::not_found);
    const auto uplink = [] {
        int ends[2] = {-1, -1};
        static_cast<void>(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
        ::close(ends[0]);
        return std::make_unique<SocketUplink>(base::Fd(ends[1]));
    };
    EXPECT_EQ(plane->plug("other", "tap", uplink()).error().code, base::Code::not_found);
    ASSERT_TRUE(plane->plug("default", "tap", uplink()));
    EXPECT_EQ(plane->plug("default", "tap", uplink()).error().code, base::Code::name_in_use);
    ASSERT_TRUE(plane->plug("default", "forward", uplink()));
    auto& one = add(1);
    EXPECT_EQ(plane->remove_switch("default").error().code, base::Code::bad_state);
    plane->remove_domain(one.domain.id());
    EXPECT_TRUE(plane->remove_switch("default"));
}

TEST_F(DataPlaneTest, TellsOfStoppedDevices) {
    auto& one = add(1);
    auto& two = add(2);
    connect(one);
    connect(two);
    store_release(one.tx().header.req_prod, 1000);
    one.domain.lane().ring();
    ASSERT_TRUE(told([&] { return !listener.stopped.empty(); }));
    EXPECT_EQ(listener.stopped[0].first, name(one));
    EXPECT_EQ(listener.stopped[0].second, "tx ring: impossible request index");
    EXPECT_EQ(plane->status(one.domain.id())[0].stopped, "tx ring: impossible request index");
    two.send(udp_frame(mac(1), mac(2), ip(2), ip(1)));
    two.domain.lane().ring();
    EXPECT_TRUE(answered(two, 1)) << "others go on";
}

TEST_F(DataPlaneTest, TellsOfMistakesInOrders) {
    guests[1] = std::make_unique<VifGuest>(1);
    guests[1]->settings.network = "nowhere";
    add(1);
    guests[2] = std::make_unique<VifGuest>(2);
    guests[2]->domain.grant(VifGuest::control_ref).flags = 0;
    add(2);
    EXPECT_EQ(plane->status(base::DomId(1))[0].stopped, "no network named 'nowhere'");
    EXPECT_EQ(plane->status(base::DomId(2))[0].stopped, "control page: the guest has not granted that page");
    ASSERT_TRUE(told([&] { return listener.stopped.size() == 2; }));
}

TEST_F(DataPlaneTest, ClosesInOrderAndForcedly) {
    auto& one = add(1);
    auto& two = add(2);
    connect(one);
    connect(two);
    plane->close(name(one));
    ASSERT_TRUE(test_support::eventually([&] { return is(one, State::closing); }));
    store_release(one.control().header.frontend_state, State::closed);
    one.domain.lane().ring();
    ASSERT_TRUE(told([&] { return !listener.closed.empty(); }));
    EXPECT_EQ(listener.closed[0], name(one));
    plane->remove(name(one));
    EXPECT_TRUE(plane->status(one.domain.id()).empty());
    EXPECT_EQ(one.domain.lane().mapped(), 0U);

    plane->remove(name(two));
    EXPECT_EQ(two.domain.lane().mapped(), 0U);
    EXPECT_TRUE(two.domain.lane().is_open());
    plane->remove(name(two));
    plane->remove_domain(two.domain.id());
    EXPECT_FALSE(two.domain.lane().is_open());
    plane->remove_domain(two.domain.id());
}

TEST_F(DataPlaneTest, ANextPlaneGoesOn) {
    auto& one = add(1);
    connect(one);
    plane.reset();
    EXPECT_TRUE(is(one, State::connected));
    EXPECT_EQ(one.domain.lane().mapped(), 0U);
    EXPECT_FALSE(one.domain.lane().is_open());
    one.send(udp_frame(mac(2), mac(1), ip(1), ip(2)));
    open();
    add(1, Origin::adopted);
    EXPECT_TRUE(answered(one, 1)) << "without a ring";
}

TEST_F(DataPlaneTest, ServesGuestsThatComeAndGo) {
    std::vector<std::thread> frontends;
    for (unsigned number = 1; number <= 4; ++number) {
        connect(add(number));
        frontends.emplace_back([&guest = *guests[number], number] {
            for (unsigned i = 1; i <= 200; ++i) {
                guest.send(udp_frame(mac(number % 4 + 1), mac(number), ip(number), ip(1)));
                guest.domain.lane().ring();
                ASSERT_TRUE(answered(guest, i));
            }
        });
    }
    for (unsigned round = 0; round < 20; ++round) {
        auto& guest = add(10);
        connect(guest);
        EXPECT_EQ(plane->status(guest.domain.id()).size(), 1U);
        plane->remove_domain(guest.domain.id());
        guests[10].reset();
    }
    for (auto& frontend : frontends) {
        frontend.join();
    }
}

}  // namespace
}  // namespace noxs
