// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/networks.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "split-toolstack/networks_range.hpp"
#include "tests/support/fake_data_plane.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using base::DomId;
using noxs::Ipv4;
using split::Forward;
using split::NetworkSettings;
using split::VifConfig;

VifConfig vif(std::string ip = {}, std::string mac = {}, std::string bridge = {}) {
    VifConfig config;
    config.ip = std::move(ip);
    config.mac = std::move(mac);
    config.bridge = std::move(bridge);
    return config;
}

NetworkSettings small(const std::string& name = "small") {
    return {name, *noxs::parse_ipv4_net("10.9.0.1/29"), split::UplinkKind::none, {}, false};
}

Forward to_port(std::uint16_t port, Ipv4 guest = {}) {
    Forward forward;
    forward.guest = guest;
    forward.guest_port = port;
    return forward;
}

TEST(AddressRange, GivesTheLowestFreeAddress) {
    split::AddressRange range(*noxs::parse_ipv4_net("10.9.0.1/29"));
    EXPECT_EQ(range.forwarder(), (Ipv4{{10, 9, 0, 6}}));
    std::vector<Ipv4> taken;
    while (const auto address = range.lowest_free()) {
        range.take(*address);
        taken.push_back(*address);
    }
    EXPECT_EQ(taken, (std::vector<Ipv4>{{{10, 9, 0, 2}}, {{10, 9, 0, 3}}, {{10, 9, 0, 4}}, {{10, 9, 0, 5}}}));
    range.give_back(taken[1]);
    range.give_back(range.forwarder());
    EXPECT_EQ(range.lowest_free(), taken[1]);
}

TEST(AddressRange, HasAllOfALargeNetwork) {
    split::AddressRange range(*noxs::parse_ipv4_net("10.107.255.254/16"));
    EXPECT_EQ(range.forwarder(), (Ipv4{{10, 107, 255, 253}}));
    std::size_t count = 0;
    for (auto address = range.lowest_free(); address; address = range.lowest_free()) {
        ASSERT_FALSE(range.reserved(*address));
        range.take(*address);
        ++count;
    }
    EXPECT_EQ(count, 65536U - 4);
}

class NetworksTest : public testing::Test {
 protected:
    void SetUp() override { open(); }
    void TearDown() override {
        for (const auto& view : networks_->list()) {
            for (const Forward& forward : view.forwards) {
                EXPECT_TRUE(networks_->unpublish(forward.listen, forward.host_port));
            }
        }
    }
    /// As a daemon that starts does.
    void open() {
        networks_.reset();
        plane_ = std::make_unique<test_support::FakeDataPlane>(state_);
        auto opened = split::Networks::open(dir_.path(), *plane_);
        ASSERT_TRUE(opened) << opened.error().message;
        networks_ = *std::move(opened);
    }
    void reopen() {
        networks_.reset();
        plane_.reset();
        open();
    }
    std::vector<noxs::VifSettings> planned(const std::vector<VifConfig>& config) {
        auto vifs = networks_->plan(config);
        EXPECT_TRUE(vifs) << vifs.error().message;
        return vifs.value_or(std::vector<noxs::VifSettings>());
    }
    std::string refusal(const std::vector<VifConfig>& config) {
        const auto vifs = networks_->plan(config);
        return vifs ? "planned" : vifs.error().message;
    }
    void launch(DomId domain, const std::vector<VifConfig>& config) { networks_->take(domain, 0, planned(config)); }

    test_support::TempDir dir_;
    std::shared_ptr<test_support::FakePlaneState> state_{std::make_shared<test_support::FakePlaneState>()};
    std::unique_ptr<test_support::FakeDataPlane> plane_;
    std::unique_ptr<split::Networks> networks_;
};

TEST_F(NetworksTest, ThereIsADefaultNetwork) {
    EXPECT_TRUE(state_->switches.contains("default"));
    const auto view = networks_->view("default");
    ASSERT_TRUE(view);
    EXPECT_EQ(noxs::text_of(view->settings.address), "10.107.0.1/16");
}

TEST_F(NetworksTest, ChoosesWhatIsLeftOpen) {
    const auto vifs = planned({vif(), vif()});
    ASSERT_EQ(vifs.size(), 2U);
    EXPECT_EQ(noxs::text_of(vifs[0].ipv4), "10.107.0.2/16");
    EXPECT_EQ(noxs::text_of(vifs[0].mac), "02:63:68:6b:00:02");
    EXPECT_EQ(noxs::text_of(vifs[1].ipv4), "10.107.0.3/16");
    EXPECT_EQ(vifs[0].network, "default");
    EXPECT_FALSE(vifs[0].ipv4_gateway);  // nobody is there
    EXPECT_TRUE(vifs[0].check_source);
}

TEST_F(NetworksTest, APlanTakesNothing) {
    EXPECT_EQ(planned({vif()})[0].ipv4, planned({vif()})[0].ipv4);
    EXPECT_EQ(refusal({vif("10.107.0.9"), vif("10.108.0.9")}),
              "vifs[1].ip: '10.108.0.9' is no address of network 'default', which has 10.107.0.1/16");
    EXPECT_EQ(planned({vif("10.107.0.9")})[0].ipv4.address, (Ipv4{{10, 107, 0, 9}}));
}

TEST_F(NetworksTest, WhatIsNamedComesBeforeWhatIsChosen) {
    const auto vifs = planned({vif(), vif("10.107.0.2", "02:63:68:6b:00:03")});
    ASSERT_EQ(vifs.size(), 2U);
    EXPECT_EQ(noxs::text_of(vifs[0].ipv4), "10.107.0.3/16");
    EXPECT_EQ(noxs::text_of(vifs[0].mac), "02:63:69:6b:00:03");
}

TEST_F(NetworksTest, RefusesWhatIsWrong) {
    launch(DomId{1}, {vif("10.107.0.5", "02:00:00:00:00:05")});
    EXPECT_EQ(
        refusal({vif({}, {}, "x")}),
        "vifs[0].bridge: no network named 'x'; `chaos network list` shows them, `chaos network create x` makes one");
    EXPECT_EQ(refusal({vif("10.107.0.5")}), "vifs[0].ip: 10.107.0.5 is another vif's in network 'default'");
    EXPECT_EQ(refusal({vif({}, "02:00:00:00:00:05")}),
              "vifs[0].mac: 02:00:00:00:00:05 is another vif's in network 'default'");
    EXPECT_EQ(refusal({vif("10.107.0.7"), vif("10.107.0.7")}),
              "vifs[1].ip: 10.107.0.7 is another vif's in network 'default'");
    for (const char* address : {"10.107.0.0", "10.107.0.1", "10.107.255.254", "10.107.255.255"}) {
        EXPECT_TRUE(refusal({vif(address)}).starts_with(std::string("vifs[0].ip: ") + address + " is reserved"));
    }
    for (const char* address : {"10.107.0.8/24", "10.107.0", "fe80::1", "10.106.0.8"}) {
        EXPECT_TRUE(refusal({vif(address)}).starts_with("vifs[0].ip: '")) << address;
    }
    for (const char* mac : {"03:00:00:00:00:05", "00:00:00:00:00:00", "02:00"}) {
        EXPECT_TRUE(refusal({vif({}, mac)}).starts_with("vifs[0].mac: '")) << mac;
    }
}

TEST_F(NetworksTest, RefusesIpv6AddressesThatAreWrongOrTaken) {
    const auto with = [](std::string ip6) {
        VifConfig config;
        config.ip6 = std::move(ip6);
        return config;
    };
    launch(DomId{1}, {with("fd00::5/64")});
    EXPECT_EQ(refusal({with("FD00:0::5")}), "vifs[0].ip6: FD00:0::5 is another vif's in network 'default'");
    EXPECT_EQ(refusal({with("fd00::6"), with("fd00::6/48")}),
              "vifs[1].ip6: fd00::6/48 is another vif's in network 'default'");
    for (const char* address : {"::", "ff02::1", "10.0.0.1", "fd00::7/129"}) {
        EXPECT_TRUE(refusal({with(address)}).starts_with("vifs[0].ip6: '")) << address;
    }
    EXPECT_EQ(planned({with("fd00::6")})[0].ipv6_prefix, 64) << "a refused plan takes nothing";
    networks_->give_back(DomId{1});
    EXPECT_EQ(planned({with("fd00::5")}).size(), 1U);
}

TEST_F(NetworksTest, SaysWhenNoAddressIsLeft) {
    ASSERT_TRUE(networks_->create(small()));
    const std::vector<VifConfig> four(4, vif({}, {}, "small"));
    launch(DomId{1}, four);
    EXPECT_EQ(refusal({vif({}, {}, "small")}), "vifs[0].ip: no address is left in network 'small' (10.9.0.1/29)");
    networks_->give_back(DomId{1}, 2);
    EXPECT_EQ(noxs::text_of(planned({vif({}, {}, "small")})[0].ipv4), "10.9.0.4/29");
    networks_->give_back(DomId{1});
    EXPECT_EQ(planned(four).size(), 4U);
}

TEST_F(NetworksTest, ThousandsOfGuestsHaveAddressesOfTheirOwn) {
    std::set<Ipv4> seen;
    std::set<noxs::Mac> macs;
    for (std::uint16_t id = 1; id <= 8000; ++id) {
        const auto vifs = planned({vif()});
        seen.insert(vifs[0].ipv4.address);
        macs.insert(vifs[0].mac);
        networks_->take(DomId{id}, 0, vifs);
    }
    EXPECT_EQ(seen.size(), 8000U);
    EXPECT_EQ(macs.size(), 8000U);
}

TEST_F(NetworksTest, ARestartKeepsTheAddresses) {
    launch(DomId{1}, {vif()});
    networks_->hand_over(DomId{1}, DomId{2});
    networks_->give_back(DomId{1});
    EXPECT_EQ(noxs::text_of(planned({vif()})[0].ipv4), "10.107.0.3/16");
    networks_->give_back(DomId{2});
    EXPECT_EQ(noxs::text_of(planned({vif()})[0].ipv4), "10.107.0.2/16");
}

TEST_F(NetworksTest, ARestartClosesTheGapsInTheIdsOfVifs) {
    launch(DomId{1}, {vif()});
    networks_->take(DomId{1}, 1, planned({vif()}));
    networks_->give_back(DomId{1}, 0);
    networks_->hand_over(DomId{1}, DomId{2});
    networks_->give_back(DomId{2}, 1);
    EXPECT_EQ(noxs::text_of(planned({vif(), vif()})[1].ipv4), "10.107.0.4/16") << "there is no vif 1 any more";
    networks_->give_back(DomId{2}, 0);
    EXPECT_EQ(noxs::text_of(planned({vif(), vif()})[1].ipv4), "10.107.0.3/16");
}

TEST_F(NetworksTest, NetworksOutliveADaemon) {
    ASSERT_TRUE(networks_->create(small()));
    NetworkSettings open_range;
    open_range.name = "other";
    ASSERT_TRUE(networks_->create(open_range));
    reopen();
    EXPECT_TRUE(state_->switches.contains("small"));
    EXPECT_EQ(networks_->view("small")->settings.address, small().address);
    EXPECT_EQ(noxs::text_of(networks_->view("other")->settings.address), "10.108.0.1/16");
    ASSERT_TRUE(networks_->remove("small"));
    EXPECT_FALSE(state_->switches.contains("small"));
    reopen();
    EXPECT_FALSE(networks_->view("small"));
}

TEST_F(NetworksTest, ADamagedRecordKeepsNobodyFromStarting) {
    dir_.write("networks/bad.json", std::string("{\"version\":1,\"name\":7}"));
    dir_.write("networks/worse.json", std::string("\x7f"));
    reopen();
    EXPECT_EQ(networks_->list().size(), 1U);
    EXPECT_TRUE(std::filesystem::exists(dir_.file("networks/bad.json.damaged")));
}

TEST_F(NetworksTest, RefusesNetworksThatCantBe) {
    ASSERT_TRUE(networks_->create(small()));
    EXPECT_EQ(networks_->create(small()).error().code, base::Code::name_in_use);
    for (const char* name : {"", "a name", "../x", "sixteen-letters-", "all", "chaos0", "-x"}) {
        EXPECT_EQ(networks_->create(small(name)).error().code, base::Code::invalid_argument) << name;
    }
    for (const char* address : {"10.9.0.0/29", "10.9.0.7/29", "10.9.0.1/30", "127.0.0.1/8", "224.0.0.1/16"}) {
        NetworkSettings settings = small("x");
        settings.address = *noxs::parse_ipv4_net(address);
        EXPECT_EQ(networks_->create(settings).error().code, base::Code::invalid_argument) << address;
    }
    NetworkSettings nat = small("x");
    nat.nat = true;
    EXPECT_EQ(networks_->create(nat).error().message, "NAT needs an uplink \"tap\"");
    EXPECT_FALSE(state_->switches.contains("x"));
}

TEST_F(NetworksTest, ANetworkWithGuestsStays) {
    ASSERT_TRUE(networks_->create(small()));
    launch(DomId{1}, {vif({}, {}, "small")});
    EXPECT_EQ(networks_->remove("small").error().code, base::Code::bad_state);
    EXPECT_EQ(networks_->remove("none").error().code, base::Code::not_found);
}

TEST_F(NetworksTest, PublishedPortsGoWithTheirDomain) {
    launch(DomId{1}, {vif()});
    const auto published = networks_->publish(DomId{1}, to_port(80));
    ASSERT_TRUE(published) << published.error().message;
    EXPECT_NE(published->host_port, 0);
    EXPECT_EQ(published->guest, (Ipv4{{10, 107, 0, 2}}));
    EXPECT_TRUE(state_->switches.at("default").uplinks.contains("forward"));
    const auto again = networks_->publish(DomId{1}, *published);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, base::Code::bad_state);

    networks_->give_back(DomId{1});
    EXPECT_TRUE(networks_->view("default")->forwards.empty());
    EXPECT_FALSE(state_->switches.at("default").uplinks.contains("forward"));
}

TEST_F(NetworksTest, PublishedPortsOutliveADaemon) {
    launch(DomId{1}, {vif()});
    const auto published = networks_->publish(DomId{1}, to_port(80));
    ASSERT_TRUE(published) << published.error().message;
    reopen();
    EXPECT_TRUE(state_->switches.at("default").uplinks.contains("forward"));
    const auto forwards = networks_->view("default")->forwards;
    ASSERT_EQ(forwards.size(), 1U);
    EXPECT_EQ(forwards[0].host_port, published->host_port);
    EXPECT_EQ(forwards[0].domain, DomId{1});
    EXPECT_TRUE(networks_->view("default")->uplink_error.empty());
}

TEST_F(NetworksTest, OnlyAGuestWithAVifPublishes) {
    EXPECT_EQ(networks_->publish(DomId{1}, to_port(80)).error().code, base::Code::bad_state);
    launch(DomId{1}, {vif()});
    EXPECT_EQ(networks_->publish(DomId{1}, to_port(80, {{10, 107, 0, 9}})).error().code, base::Code::bad_state);
    EXPECT_EQ(networks_->publish(DomId{1}, {}).error().code, base::Code::invalid_argument);
    EXPECT_EQ(networks_->unpublish({{127, 0, 0, 1}}, 1).error().code, base::Code::not_found);
    EXPECT_FALSE(state_->switches.at("default").uplinks.contains("forward"));
}

}  // namespace
