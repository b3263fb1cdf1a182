// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends.hpp"
#include "noxs/disk.hpp"
#include "noxs/page_reader.hpp"
#include "split-toolstack/shape.hpp"
#include "tests/unit/split-toolstack/toolstack_fixture.hpp"

namespace split {
namespace {

using noxs::wire::DeviceType;
using noxs::wire::ShutdownReason;
using test_support::eventually;
using test_support::Verb;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

class HotplugTest : public ToolstackTest {
 protected:
    HotplugTest() { disk = dir.write("disk.img", std::string(8192, 'x')); }

    base::DomId running() {
        open();
        const auto id = create_named("web");
        recorder.take();
        return id;
    }
    std::uint32_t attached(base::DomId id, const VifConfig& vif = {}) {
        const auto device = toolstack->attach(id, vif);
        EXPECT_TRUE(device) << device.error().message;
        return device.value_or(99);
    }
    std::uint32_t attached_disk(base::DomId id) {
        const auto device = toolstack->attach(id, VbdConfig{disk, "", "", "ro"});
        EXPECT_TRUE(device) << device.error().message;
        return device.value_or(99);
    }
    bool poll_until(const std::function<bool()>& done) {
        return eventually([&] {
            toolstack->poll();
            return done();
        });
    }
    std::size_t devices(base::DomId id) { return toolstack->devices(id)->size(); }
    std::uint32_t generation(base::DomId id) {
        return reinterpret_cast<const noxs::wire::DevicePage*>(
                   machine->find(id)->memory + gpa_of(machine->layout(machine->find(id)->spec).device_page))
            ->generation;
    }

    std::string disk;
};

TEST_F(HotplugTest, AGuestThatHadNoneGetsThem) {
    const auto id = running();
    const auto before = generation(id);
    const auto rings = machine->calls(Verb::notify);
    EXPECT_EQ(attached(id), 0u);
    EXPECT_EQ(recorder.events.back().detail, "vif 0");
    EXPECT_THAT(recorder.take(), ElementsAre("attached web"));
    EXPECT_TRUE(guest(id).has(DeviceType::vif));
    EXPECT_GT(generation(id), before);
    EXPECT_EQ(generation(id) % 2, 0u);
    EXPECT_EQ(machine->calls(Verb::notify), rings + 1) << "the guest is told";
    EXPECT_EQ(attached_disk(id), 0u);
    ASSERT_EQ(plane->devices[id.value].size(), 2u);
    EXPECT_EQ(plane->devices[id.value][0].order.origin, noxs::Origin::fresh);
    EXPECT_EQ(toolstack->details(id)->config.vbds.at(0).vdev, "xvda");
    ASSERT_TRUE(toolstack->destroy(id));
    expect_nothing_left();
}

TEST_F(HotplugTest, TheGuestLetsGo) {
    const auto id = running();
    attached_disk(id);
    recorder.take();
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vbd, "xvda"}, 1h));
    EXPECT_TRUE(plane->find({id, DeviceType::vbd, 0})->closing);
    EXPECT_TRUE(toolstack->devices(id)->at(0).leaving);
    toolstack->poll();
    EXPECT_EQ(devices(id), 1u);
    plane->let_go({id, DeviceType::vbd, 0});
    toolstack->poll();
    EXPECT_EQ(devices(id), 0u);
    EXPECT_FALSE(guest(id).has(DeviceType::vbd));
    EXPECT_FALSE(recorder.events.back().forced);
    EXPECT_THAT(recorder.take(), ElementsAre("detached web"));
    EXPECT_TRUE(noxs::open_disk(disk, noxs::DiskAccess::read_write));
    EXPECT_TRUE(toolstack->details(id)->config.vbds.empty());
    EXPECT_EQ(toolstack->metrics().detached, 1u);
}

TEST_F(HotplugTest, AGuestThatDoesNotIsForced) {
    const auto id = running();
    attached(id);
    recorder.take();
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vif, "0"}, 1ms));
    ASSERT_TRUE(poll_until([&] { return devices(id) == 0; }));
    EXPECT_TRUE(recorder.events.back().forced);
    EXPECT_THAT(recorder.events.back().detail, HasSubstr("vif 0: forced"));
    EXPECT_FALSE(guest(id).has(DeviceType::vif));
    EXPECT_EQ(toolstack->metrics().detached_by_force, 1u);
}

TEST_F(HotplugTest, KeepsItsPlaceWhileItsDiskIsBusy) {
    const auto id = running();
    attached_disk(id);
    plane->find({id, DeviceType::vbd, 0})->busy = true;
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vbd, "xvda"}, 0ms));
    toolstack->poll();
    EXPECT_EQ(plane->find({id, DeviceType::vbd, 0}), nullptr) << "it is served no more";
    EXPECT_TRUE(guest(id).has(DeviceType::vbd)) << "its pages may still be written to";
    EXPECT_TRUE(toolstack->devices(id)->at(0).leaving);
    plane->let_go({id, DeviceType::vbd, 0});
    toolstack->poll();
    EXPECT_FALSE(guest(id).has(DeviceType::vbd));
    EXPECT_TRUE(recorder.events.back().forced);
}

TEST_F(HotplugTest, WithoutATimeItIsGoneSoon) {
    const auto id = running();
    attached(id);
    const auto mac = toolstack->devices(id)->at(0).vif->mac;
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vif, text_of(mac)}, 0ms));
    toolstack->poll();
    EXPECT_EQ(devices(id), 0u);
    VifConfig same;
    same.mac = text_of(mac);
    attached(id, same);
    EXPECT_EQ(toolstack->devices(id)->at(0).vif->mac, mac) << "its address was free again";
}

TEST_F(HotplugTest, NoGuestGetsMoreThanOneCanBeCreatedWith) {
    open();
    auto order = config("many");
    order.vifs.resize(max_data_devices);
    const auto id = create(order);
    ASSERT_TRUE(id) << id.error().message;
    const auto more = toolstack->attach(*id, VifConfig{});
    ASSERT_FALSE(more) << "it could not be restarted";
    EXPECT_EQ(more.error().code, base::Code::limit_reached);
    EXPECT_THAT(more.error().message, HasSubstr("98 vifs and vbds together"));
}

TEST_F(HotplugTest, RoomIsLimitedAndComesBack) {
    const auto id = running();
    for (std::uint32_t i = 0; i < spare_control_pages; ++i) {
        EXPECT_EQ(attached(id), i);
    }
    const auto files_before = files();
    const auto full = toolstack->attach(id, VifConfig{});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, base::Code::limit_reached);
    EXPECT_THAT(full.error().message, HasSubstr("4 more"));
    EXPECT_EQ(files(), files_before);
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vif, "2"}, 0ms));
    toolstack->poll();
    EXPECT_EQ(attached(id), 2u) << "the lowest id that is free";
}

TEST_F(HotplugTest, MistakesAreNamed) {
    const auto id = running();
    attached(id);
    EXPECT_EQ(toolstack->detach(id, {DeviceType::vif, "1"}, 1s).error().code, base::Code::not_found);
    EXPECT_EQ(toolstack->detach(id, {DeviceType::vbd, "0"}, 1s).error().code, base::Code::not_found);
    EXPECT_EQ(toolstack->detach(id, {DeviceType::vbd, "xvda"}, 1s).error().code, base::Code::not_found);
    EXPECT_THAT(toolstack->attach(id, VbdConfig{"/nowhere/x", "", "", ""}).error().message, HasSubstr("vbd: "));
    EXPECT_THAT(toolstack->attach(id, VifConfig{"", "", "nowhere"}).error().message, HasSubstr("nowhere"));
    attached_disk(id);
    EXPECT_EQ(toolstack->attach(id, VbdConfig{disk, "", "xvda", "ro"}).error().code, base::Code::name_in_use);
    EXPECT_EQ(toolstack->attach(base::DomId{77}, VifConfig{}).error().code, base::Code::no_such_domain);
    EXPECT_EQ(devices(id), 2u);
}

TEST_F(HotplugTest, AnAttachThatFailsLeavesNothing) {
    const auto id = running();
    for (const auto verb : {Verb::open_data_lane, Verb::map_pages, Verb::write}) {
        machine->fail(verb, base::Code::io_error);
        EXPECT_FALSE(toolstack->attach(id, VifConfig{}));
        EXPECT_EQ(devices(id), 0u);
        EXPECT_EQ(plane->devices[id.value].size(), 0u);
    }
    EXPECT_EQ(attached(id), 0u);
    EXPECT_TRUE(guest(id).has(DeviceType::vif));
}

TEST_F(HotplugTest, AttachedDevicesOutliveTheDaemon) {
    const auto id = running();
    attached(id);
    attached_disk(id);
    const auto mac = toolstack->devices(id)->at(0).vif->mac;
    reopen();
    EXPECT_EQ(devices(id), 2u);
    EXPECT_EQ(plane->devices[id.value].size(), 2u);
    EXPECT_EQ(toolstack->devices(id)->at(0).vif->mac, mac);
    const auto before = generation(id);
    EXPECT_EQ(attached(id), 1u);
    EXPECT_GT(generation(id), before) << "the guest sees that the page is another one";
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vif, "0"}, 0ms));
    EXPECT_TRUE(guest(id).has(DeviceType::sysctl)) << "the page that was taken over is whole";
}

TEST_F(HotplugTest, AttachedDevicesOutliveARebootOfTheGuest) {
    const auto id = running();
    attached(id);
    const auto mac = toolstack->devices(id)->at(0).vif->mac;
    guest(id).end(ShutdownReason::reboot);
    toolstack->poll();
    const auto again = toolstack->find("web");
    ASSERT_TRUE(again);
    EXPECT_EQ(toolstack->devices(*again)->at(0).vif->mac, mac);
}

TEST_F(HotplugTest, ADetachUnderWayIsFinishedByTheNextDaemon) {
    const auto id = running();
    attached(id);
    attached_disk(id);
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vif, "0"}, 1h));
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vbd, "0"}, 1h));
    reopen();
    EXPECT_TRUE(plane->find({id, DeviceType::vif, 0})->closing);
    EXPECT_TRUE(plane->find({id, DeviceType::vbd, 0})->closing);
    plane->let_go({id, DeviceType::vif, 0});
    plane->let_go({id, DeviceType::vbd, 0});
    toolstack->poll();
    EXPECT_EQ(devices(id), 0u);
    EXPECT_FALSE(guest(id).has(DeviceType::vif));
    reopen();
    EXPECT_EQ(devices(id), 0u);
    EXPECT_EQ(attached(id), 0u) << "the lane of the earlier daemons is used again";
}

TEST_F(HotplugTest, APageInTheMiddleOfAChangeIsWrittenAnew) {
    const auto id = running();
    machine->fail(Verb::write, base::Code::io_error, 1, 100);
    EXPECT_FALSE(toolstack->attach(id, VifConfig{}));
    machine->fail(Verb::write, base::Code::io_error, 1000000, 1);
    EXPECT_EQ(attached(id), 0u);
    EXPECT_EQ(generation(id) % 2, 0u);
}

TEST_F(HotplugTest, AGuestThatEndsInTheMiddleOfADetachLeavesNothing) {
    const auto id = running();
    attached(id);
    ASSERT_TRUE(toolstack->detach(id, {DeviceType::vif, "0"}, 1ms));
    guest(id).end(ShutdownReason::power_off);
    toolstack->poll();
    expect_nothing_left();
    toolstack->poll();
}

}  // namespace
}  // namespace split
