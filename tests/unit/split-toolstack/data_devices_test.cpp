// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include "noxs/backends.hpp"
#include "noxs/disk.hpp"
#include "noxs/wire/control_page.hpp"
#include "tests/unit/split-toolstack/toolstack_fixture.hpp"

namespace split {
namespace {

using noxs::wire::DeviceType;
using noxs::wire::ShutdownReason;
using test_support::eventually;
using test_support::Verb;
using testing::ElementsAre;
using testing::HasSubstr;

class DataDevicesTest : public ToolstackTest {
 protected:
    DataDevicesTest() { disk = dir.write("disk.img", std::string(8192, 'x')); }

    VmConfig with_both(const std::string& name) {
        VmConfig order = config(name);
        order.vifs.resize(1);
        order.vbds = {{disk, "", "", ""}};
        return order;
    }
    base::DomId created(const VmConfig& order) {
        const auto id = create(order);
        EXPECT_TRUE(id) << id.error().message;
        return id.value_or(base::DomId{});
    }
    const noxs::VifSettings& vif_of(base::DomId id, std::uint32_t vif = 0) {
        return std::get<noxs::VifSettings>(plane->find({id, DeviceType::vif, vif})->order.settings);
    }
    /// Whether somebody has the disk's lock.
    bool disk_in_use() const { return !noxs::open_disk(disk, noxs::DiskAccess::read_write); }
    std::string stopped(base::DomId id) const { return toolstack->devices(id)->back().stopped; }

    std::string disk;
};

TEST_F(DataDevicesTest, ALaunchHandsThemToThePlane) {
    open();
    const auto id = created(with_both("web"));
    EXPECT_TRUE(plane->lanes.contains(id.value));
    ASSERT_EQ(plane->devices[id.value].size(), 2u);
    for (const auto& device : plane->devices[id.value]) {
        EXPECT_EQ(device.order.origin, noxs::Origin::fresh);
        EXPECT_EQ(device.order.entry.port, test_support::FakeLaneEnd::port);
        const auto* page = reinterpret_cast<const noxs::wire::ControlHeader*>(machine->find(id)->memory +
                                                                              device.order.entry.control_gfn * 4096);
        EXPECT_EQ(page->type, device.order.entry.type) << "described before the guest runs";
        EXPECT_EQ(page->backend_state, noxs::wire::State::init_wait);
    }
    EXPECT_TRUE(guest(id).has(DeviceType::vif));
    EXPECT_TRUE(guest(id).has(DeviceType::vbd));
    EXPECT_TRUE(disk_in_use());
    const auto lane = machine->lane(id);
    ASSERT_TRUE(toolstack->destroy(id));
    EXPECT_FALSE(disk_in_use());
    EXPECT_FALSE(lane->is_open());
    expect_nothing_left();
}

TEST_F(DataDevicesTest, AGuestThatCouldNotBeDestroyedIsServedOn) {
    open();
    const auto id = created(with_both("web"));
    machine->fail(Verb::destroy, base::Code::io_error);
    EXPECT_FALSE(toolstack->destroy(id));
    ASSERT_TRUE(plane->lanes.contains(id.value));
    ASSERT_EQ(plane->devices[id.value].size(), 2u);
    for (const auto& device : plane->devices[id.value]) {
        EXPECT_EQ(device.order.origin, noxs::Origin::adopted) << "its rings are those that it has";
    }
    EXPECT_TRUE(disk_in_use());
    ASSERT_TRUE(toolstack->destroy(id));
    EXPECT_FALSE(disk_in_use());
    expect_nothing_left();
}

TEST_F(DataDevicesTest, AGuestWithoutThemCostsThePlaneNothing) {
    open();
    const auto id = create_named("plain");
    EXPECT_EQ(machine->calls(Verb::open_data_lane), 0u);
    EXPECT_TRUE(plane->lanes.empty());
    EXPECT_EQ(toolstack->devices(id)->size(), 0u);
}

TEST_F(DataDevicesTest, AreShownAsTheyAre) {
    open();
    auto order = with_both("web");
    order.vbds[0].access = "ro";
    const auto id = created(order);
    const auto devices = toolstack->devices(id);
    ASSERT_TRUE(devices);
    ASSERT_EQ(devices->size(), 2u);
    EXPECT_EQ(devices->at(0).type, DeviceType::vif);
    EXPECT_EQ(devices->at(0).backend, noxs::wire::State::init_wait);
    EXPECT_EQ(devices->at(0).vif->mac, vif_of(id).mac);
    EXPECT_THAT(devices->at(0).counters, ElementsAre(noxs::Counters::value_type{"tx_packets", 3}));
    EXPECT_EQ(devices->at(1).vbd->vdev, "xvda");
    EXPECT_TRUE(devices->at(1).vbd->read_only());
    EXPECT_EQ(toolstack->metrics().vifs, 1u);
    EXPECT_EQ(toolstack->metrics().vbds, 1u);
    EXPECT_TRUE(toolstack->details(id)->config.vifs[0].ip.empty()) << "the configuration is what was asked for";
}

TEST_F(DataDevicesTest, MistakesAreFoundBeforeAnythingIsMade) {
    open();
    const auto holder = created(with_both("holder"));
    const auto shells = machine->calls(Verb::create_shell);
    const auto error_of = [this](const std::function<void(VmConfig&)>& change) {
        auto order = config("x");
        change(order);
        const auto checked = toolstack->check(order);
        const auto id = create(order);
        EXPECT_FALSE(id);
        EXPECT_FALSE(checked);
        return id ? std::string() : id.error().message;
    };
    EXPECT_THAT(error_of([&](VmConfig& c) { c.vbds = {{disk, "", "", ""}}; }), HasSubstr("vbds[0]: "));
    EXPECT_THAT(error_of([&](VmConfig& c) { c.vbds = {{"/nowhere/x", "", "", ""}}; }), HasSubstr("vbds[0]: "));
    EXPECT_THAT(error_of([](VmConfig& c) {
                    c.vbds = {{"/a", "", "xvda", ""}, {"/b", "", "xvda", ""}};
                }),
                HasSubstr("vbds[1]: vdev 'xvda' is that of vbds[0] too"));
    EXPECT_THAT(error_of([](VmConfig& c) { c.vifs = {{"", "", "nowhere"}}; }), HasSubstr("nowhere"));
    EXPECT_THAT(error_of([&](VmConfig& c) { c.vifs = {{"", text_of(vif_of(holder).mac), ""}}; }), HasSubstr("vifs[0]"));
    EXPECT_EQ(machine->calls(Verb::create_shell), shells);
}

TEST_F(DataDevicesTest, AWarmLaunchTakesAShellWithItsDevices) {
    settings.flavours = {{.memory = base::mib(4), .vcpus = 1, .floor = 2, .ceiling = 4, .vifs = 1, .vbds = 1},
                         {.memory = base::mib(4), .vcpus = 1, .floor = 1, .ceiling = 4}};
    open();
    ASSERT_TRUE(eventually(
        [this] { return toolstack->pool_status()[0].ready == 2 && toolstack->pool_status()[1].ready == 1; }));
    EXPECT_TRUE(toolstack->view(created(with_both("a")))->from_pool);
    EXPECT_TRUE(toolstack->view(create_named("plain"))->from_pool);
    auto one = config("one");
    one.vifs.resize(1);
    EXPECT_FALSE(toolstack->view(created(one))->from_pool) << "no guest gets devices that it was not configured with";
}

TEST_F(DataDevicesTest, TwoGuestsHaveDifferentAddresses) {
    open();
    auto order = config("a");
    order.vifs.resize(2);
    const auto a = created(order);
    order.name = "b";
    const auto b = created(order);
    EXPECT_NE(vif_of(a, 0).mac, vif_of(a, 1).mac);
    EXPECT_NE(vif_of(a, 0).mac, vif_of(b, 0).mac);
    EXPECT_NE(vif_of(a, 0).ipv4.address, vif_of(b, 0).ipv4.address);
}

TEST_F(DataDevicesTest, ARebootKeepsTheAddressesAndTheDisk) {
    open();
    const auto id = created(with_both("web"));
    create_named("other");
    const auto mac = vif_of(id).mac;
    const auto address = vif_of(id).ipv4;
    guest(id).end(ShutdownReason::reboot);
    toolstack->poll();
    const auto again = toolstack->find("web");
    ASSERT_TRUE(again);
    ASSERT_NE(*again, id);
    EXPECT_EQ(vif_of(*again).mac, mac);
    EXPECT_EQ(vif_of(*again).ipv4, address);
    EXPECT_EQ(plane->devices[again->value].size(), 2u);
    EXPECT_FALSE(plane->lanes.contains(id.value));
    EXPECT_TRUE(toolstack->details(*again)->config.vifs[0].ip.empty());
}

TEST_F(DataDevicesTest, ARebootWaitsForTheLastRequestsOfItsPredecessor) {
    open();
    const auto id = created(with_both("web"));
    const auto mac = vif_of(id).mac;
    base::Fd request(
        ::dup(std::get<noxs::VbdSettings>(plane->find({id, DeviceType::vbd, 0})->order.settings).disk.get()));
    guest(id).end(ShutdownReason::reboot);
    toolstack->poll();
    EXPECT_EQ(toolstack->find("web"), id) << "it is still there, and its name";
    EXPECT_EQ(toolstack->view(id)->state, State::shutdown);
    EXPECT_TRUE(has_record(id));
    request = {};
    ASSERT_TRUE(eventually([&] {
        toolstack->poll();
        return toolstack->find("web") && *toolstack->find("web") != id;
    }));
    EXPECT_EQ(vif_of(*toolstack->find("web")).mac, mac);
    EXPECT_EQ(recorder.events.back().kind, EventKind::rebooted);
}

TEST_F(DataDevicesTest, ARestartThatWaitsCanBeDestroyed) {
    open();
    const auto id = created(with_both("web"));
    base::Fd request(
        ::dup(std::get<noxs::VbdSettings>(plane->find({id, DeviceType::vbd, 0})->order.settings).disk.get()));
    guest(id).end(ShutdownReason::reboot);
    toolstack->poll();
    ASSERT_TRUE(toolstack->destroy(id));
    expect_nothing_left();
}

TEST_F(DataDevicesTest, AGuestThatEndsLetsGoOfItsDisk) {
    open();
    auto order = with_both("web");
    order.on_crash = EndAction::preserve;
    const auto id = created(order);
    machine->die(id, {.kind = hypervisor::DeathKind::crashed, .signal = 11});
    toolstack->poll();
    EXPECT_EQ(toolstack->view(id)->state, State::crashed);
    EXPECT_FALSE(disk_in_use());
    EXPECT_EQ(toolstack->devices(id)->size(), 2u);
    ASSERT_TRUE(toolstack->destroy(id));
    expect_nothing_left();
}

TEST_F(DataDevicesTest, ADeviceThatIsStoppedIsTold) {
    open();
    const auto id = created(with_both("web"));
    recorder.take();
    plane->stop({id, DeviceType::vif, 0}, "the ring runs away");
    toolstack->poll();
    EXPECT_THAT(recorder.take(), ElementsAre("device_stopped web"));
    EXPECT_EQ(recorder.events.back().detail, "vif 0: the ring runs away");
    EXPECT_EQ(toolstack->devices(id)->at(0).stopped, "the ring runs away");
    EXPECT_EQ(toolstack->view(id)->state, State::running);
    EXPECT_EQ(toolstack->metrics().devices_stopped, 1u);
}

TEST_F(DataDevicesTest, TheNextDaemonGoesOn) {
    open();
    const auto id = created(with_both("web"));
    const auto mac = vif_of(id).mac;
    reopen();
    EXPECT_EQ(machine->lane(id)->left(), base::EvtchnPort{test_support::FakeLaneEnd::port});
    ASSERT_EQ(plane->devices[id.value].size(), 2u);
    for (const auto& device : plane->devices[id.value]) {
        EXPECT_EQ(device.order.origin, noxs::Origin::adopted);
    }
    EXPECT_EQ(vif_of(id).mac, mac);
    auto same = config("thief");
    same.vifs = {{"", text_of(mac), ""}};
    EXPECT_FALSE(create(same)) << "its addresses are still its own";
    ASSERT_TRUE(toolstack->destroy(id));
    EXPECT_FALSE(disk_in_use());
    expect_nothing_left();
}

TEST_F(DataDevicesTest, ADiskThatIsStillLockedIsTriedAgain) {
    open();
    const auto id = created(with_both("web"));
    toolstack.reset();
    auto last_requests = noxs::open_disk(disk, noxs::DiskAccess::read_write);
    ASSERT_TRUE(last_requests);
    open();
    EXPECT_EQ(plane->devices[id.value].size(), 1u) << "the vif is served meanwhile";
    EXPECT_THAT(toolstack->devices(id)->back().waits, HasSubstr("use"));
    last_requests->disk = {};
    ASSERT_TRUE(eventually([&] {
        toolstack->poll();
        return plane->devices[id.value].size() == 2;
    }));
    EXPECT_EQ(toolstack->devices(id)->back().waits, "");
}

TEST_F(DataDevicesTest, ADiskThatIsGoneStopsTheDeviceAlone) {
    open();
    const auto id = created(with_both("web"));
    toolstack.reset();
    ::unlink(disk.c_str());
    open();
    EXPECT_EQ(toolstack->view(id)->state, State::running);
    EXPECT_EQ(plane->devices[id.value].size(), 1u);
    EXPECT_THAT(toolstack->devices(id)->back().waits, HasSubstr(disk));
    ASSERT_TRUE(eventually([&] {
        toolstack->poll();
        return stopped(id) != "";
    }));
    EXPECT_EQ(recorder.events.back().kind, EventKind::device_stopped);
    EXPECT_EQ(toolstack->metrics().devices_stopped, 1u);
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vbd, "xvda"}, detach_timeout));
    EXPECT_EQ(toolstack->devices(id)->size(), 1u);
}

TEST_F(DataDevicesTest, AGuestWhoseLaneIsGoneLivesOn) {
    open();
    const auto id = created(with_both("web"));
    toolstack.reset();
    machine->fail(Verb::open_data_lane, base::Code::io_error);
    open();
    EXPECT_EQ(toolstack->view(id)->state, State::running);
    EXPECT_TRUE(plane->lanes.empty());
    ASSERT_TRUE(toolstack->destroy(id));
    expect_nothing_left();
}

TEST_F(DataDevicesTest, OneThatDiedMeanwhileRestartsWithItsAddresses) {
    open();
    auto order = with_both("web");
    order.on_crash = EndAction::restart;
    const auto id = created(order);
    const auto mac = vif_of(id).mac;
    toolstack.reset();
    machine->die(id, {.kind = hypervisor::DeathKind::crashed, .signal = 11});
    open();
    toolstack->poll();
    const auto again = toolstack->find("web");
    ASSERT_TRUE(again);
    EXPECT_EQ(vif_of(*again).mac, mac);
}

}  // namespace
}  // namespace split
