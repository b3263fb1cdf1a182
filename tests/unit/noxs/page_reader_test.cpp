// SPDX-License-Identifier: Apache-2.0
#include "noxs/page_reader.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "noxs/page_writer.hpp"

namespace noxs {
namespace {

using wire::DeviceType;

wire::DevicePage page_with_two_devices() {
    wire::DevicePage page{};
    page.magic = wire::magic;
    page.version = wire::version;
    page.entry_size = sizeof(wire::DeviceEntry);
    page.generation = 2;
    page.count = 3;
    page.entries[0].type = DeviceType::sysctl;
    page.entries[2].type = DeviceType::vif;
    page.entries[2].id = 5;
    page.entries[2].port = 9;
    page.entries[2].control_gfn = 0x17;
    return page;
}

std::vector<std::uint32_t> ids(const PageReader& reader) {
    std::vector<std::uint32_t> found;
    reader.for_each([&](const wire::DeviceEntry& entry) { found.push_back(entry.id); });
    return found;
}

TEST(PageReader, FindsDevicesOfSparseTable) {
    const auto page = page_with_two_devices();
    PageReader reader;
    ASSERT_EQ(reader.read(page), PageError::none);
    EXPECT_EQ(reader.generation(), 2U);
    EXPECT_EQ(ids(reader), (std::vector<std::uint32_t>{0, 5}));
    const auto* vif = reader.find(DeviceType::vif, 5);
    ASSERT_NE(vif, nullptr);
    EXPECT_EQ(vif->port, 9U);
    EXPECT_EQ(vif->control_gfn, 0x17U);
    EXPECT_EQ(reader.find(DeviceType::vif, 0), nullptr) << "both type and id must match";
    EXPECT_EQ(reader.find(DeviceType::vbd, 5), nullptr);
    EXPECT_EQ(reader.find(DeviceType::none, 0), nullptr);
}

TEST(PageReader, SkipsUnknownTypes) {
    auto page = page_with_two_devices();
    page.entries[1].type = static_cast<DeviceType>(0x7777);
    page.entries[1].id = 66;
    PageReader reader;
    ASSERT_EQ(reader.read(page), PageError::none);
    EXPECT_EQ(ids(reader), (std::vector<std::uint32_t>{0, 5}));
    EXPECT_EQ(reader.find(static_cast<DeviceType>(0x7777), 66), nullptr);
}

TEST(PageReader, RejectsForeignPages) {
    PageReader reader;
    auto page = page_with_two_devices();
    page.magic ^= 1;
    page.version = 9;
    EXPECT_EQ(reader.read(page), PageError::bad_magic) << "before all else";
    page = page_with_two_devices();
    page.version = 2;
    EXPECT_EQ(reader.read(page), PageError::bad_version);
    page = page_with_two_devices();
    page.entry_size = 64;
    EXPECT_EQ(reader.read(page), PageError::bad_entry_size);
    EXPECT_EQ(reader.read(wire::DevicePage{}), PageError::bad_magic);
}

TEST(PageReader, RejectsHugeCount) {
    auto page = page_with_two_devices();
    PageReader reader;
    page.count = wire::max_devices;
    EXPECT_EQ(reader.read(page), PageError::none);
    for (const std::uint32_t count : {static_cast<std::uint32_t>(wire::max_devices) + 1, 0x80000000U, 0xffffffffU}) {
        page.count = count;
        EXPECT_EQ(reader.read(page), PageError::bad_count);
        EXPECT_TRUE(ids(reader).empty());
    }
}

TEST(PageReader, GivesUpOnPageThatNeverSettles) {
    auto page = page_with_two_devices();
    PageReader reader;
    ASSERT_EQ(reader.read(page), PageError::none);
    page.generation = 3;
    EXPECT_EQ(reader.read(page, 5), PageError::busy);
    EXPECT_TRUE(ids(reader).empty()) << "nothing of the page before is left";
    EXPECT_EQ(reader.read(page, 0), PageError::busy);
}

/// A writer that adds and removes a pair of devices, far apart in the table, all the time: a reader must see both or none.
TEST(PageReader, NeverSeesTornTable) {
    alignas(64) wire::DevicePage page{};
    PageWriter writer;
    const auto store = [&](std::size_t offset, std::span<const std::byte> bytes) -> Result<void> {
        auto* words = reinterpret_cast<std::uint32_t*>(reinterpret_cast<std::byte*>(&page) + offset);
        const auto* from = reinterpret_cast<const std::uint32_t*>(bytes.data());
        for (std::size_t i = 0; i < bytes.size() / 4; ++i) {
            std::atomic_ref(words[i]).store(from[i], std::memory_order_release);
        }
        return {};
    };
    wire::DeviceEntry entry{};
    entry.type = DeviceType::sysctl;
    ASSERT_TRUE(writer.add(entry));
    const auto add = [&](DeviceType type, std::uint32_t id) {
        wire::DeviceEntry device{};
        device.type = type;
        device.id = id;
        ASSERT_TRUE(writer.add(device));
    };
    add(DeviceType::vif, 0);
    for (std::uint32_t id = 1; id <= 100; ++id) {
        add(DeviceType::vif, id);  // between the pair, so that a copy takes its time
    }
    add(DeviceType::vbd, 0);
    ASSERT_TRUE(writer.publish(store));

    std::atomic<bool> stop{false};
    std::atomic<unsigned> reads{0};
    std::jthread flipping([&] {
        for (std::uint32_t round = 1; !stop.load(); ++round) {
            for (const DeviceType type : {DeviceType::vif, DeviceType::vbd}) {
                wire::DeviceEntry added{};
                added.type = type;
                added.port = round;
                if (!writer.remove(type, 0)) {
                    static_cast<void>(writer.add(added));
                }
            }
            static_cast<void>(writer.publish(store));
            // The next change comes once a reader got through, that is while it reads again.
            for (const unsigned seen = reads.load(); reads.load() == seen && !stop.load();) {
                std::this_thread::yield();
            }
        }
    });
    PageReader reader;
    unsigned changes = 0;
    std::uint32_t last = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (changes < 2000 && std::chrono::steady_clock::now() < deadline) {
        if (reader.read(page) != PageError::none) {
            continue;
        }
        ++reads;
        changes += reader.generation() != std::exchange(last, reader.generation()) ? 1 : 0;
        const auto* vif = reader.find(DeviceType::vif, 0);
        const auto* vbd = reader.find(DeviceType::vbd, 0);
        if ((vif == nullptr) != (vbd == nullptr) || (vif != nullptr && vif->port != vbd->port)) {
            ADD_FAILURE() << "torn at generation " << reader.generation();
            break;
        }
    }
    stop = true;
    EXPECT_GT(changes, 1U);
}

}  // namespace
}  // namespace noxs
