// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/device_page.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "noxs/page_reader.hpp"

namespace guest {
namespace {

namespace wire = noxs::wire;

struct alignas(wire::page_size) Page {
    wire::DevicePage page{wire::magic, wire::version, sizeof(wire::DeviceEntry), 2, 0, {}, {}};

    void add(wire::DeviceType type, std::uint32_t id, std::uint32_t port) {
        auto& entry = page.entries[page.count++];
        entry.type = type;
        entry.id = id;
        entry.port = port;
    }
};

TEST(DevicePageReader, FindsTheFirstOfAType) {
    Page p;
    p.add(wire::DeviceType::vif, 0, 1);
    p.add(wire::DeviceType::none, 7, 2);
    p.add(wire::DeviceType::console, 0, 3);
    p.add(wire::DeviceType::vif, 7, 4);
    const DevicePageReader reader(&p.page);
    EXPECT_EQ(reader.first(wire::DeviceType::vif)->port, 1U);
    EXPECT_EQ(reader.first(wire::DeviceType::console)->port, 3U);
    EXPECT_FALSE(reader.first(wire::DeviceType::vbd));
    EXPECT_FALSE(reader.first(wire::DeviceType::sysctl));
}

TEST(DevicePageReader, ListsAFullPageAndNoMoreThanThereIsRoom) {
    Page p;
    for (std::uint32_t i = 0; i < wire::max_devices; ++i) {
        p.add(wire::DeviceType::vbd, i, i + 1);
    }
    const DevicePageReader reader(&p.page);
    wire::DeviceEntry all[wire::max_devices];
    EXPECT_EQ(reader.list(all), wire::max_devices);
    EXPECT_EQ(all[126].id, 126U);
    EXPECT_EQ(reader.list({all, 5}), 5U);
}

TEST(DevicePageReader, SeesNothingWithoutAPage) {
    const DevicePageReader reader(nullptr);
    EXPECT_FALSE(reader.first(wire::DeviceType::sysctl));
    EXPECT_EQ(reader.generation(), 0U);
}

TEST(DevicePageReader, RejectsWhatIsNoPageOfItsVersion) {
    Page good;
    good.add(wire::DeviceType::sysctl, 0, 1);
    const auto finds = [](const Page& p) { return DevicePageReader(&p.page).first(wire::DeviceType::sysctl); };
    ASSERT_TRUE(finds(good));
    Page p = good;
    p.page.magic = 0;
    EXPECT_FALSE(finds(p));
    p = good;
    p.page.version = 2;
    EXPECT_FALSE(finds(p));
    p = good;
    p.page.entry_size = 64;
    EXPECT_FALSE(finds(p));
    for (const std::uint32_t count : {128U, 0xffffffffU}) {
        p = good;
        p.page.count = count;
        EXPECT_FALSE(finds(p)) << count;
    }
}

TEST(DevicePageReader, APageThatIsBeingWrittenSaysNothing) {
    Page p;
    p.add(wire::DeviceType::sysctl, 0, 1);
    p.page.generation = 3;
    wire::DeviceEntry all[wire::max_devices];
    EXPECT_EQ(DevicePageReader(&p.page).list(all), std::nullopt);
}

TEST(DevicePageReader, AGuestThatBootsWaitsUntilItIsWritten) {
    Page p;
    p.page.generation = 3;
    std::atomic<bool> found{false};
    std::thread guest([&] { found = DevicePageReader(&p.page).first(wire::DeviceType::sysctl).has_value(); });
    p.add(wire::DeviceType::sysctl, 0, 1);
    std::atomic_ref(p.page.generation).store(4, std::memory_order_release);
    guest.join();
    EXPECT_TRUE(found);
}

TEST(DevicePageReader, AgreesWithTheReaderOfNoxsOnRandomPages) {
    std::mt19937_64 random(2);
    auto p = std::make_unique<Page>();
    for (int round = 0; round < 2000; ++round) {
        auto* words = reinterpret_cast<std::uint64_t*>(&p->page);
        for (std::size_t i = 0; i < sizeof p->page / 8; ++i) {
            words[i] = random();
        }
        p->page.magic = round % 8 == 0 ? 0 : wire::magic;
        p->page.version = static_cast<std::uint16_t>(random() % 4 == 0 ? 2 : 1);
        p->page.entry_size = sizeof(wire::DeviceEntry);
        p->page.generation &= ~1U;
        p->page.count = static_cast<std::uint32_t>(random() % 140);
        for (auto& entry : p->page.entries) {
            entry.type = static_cast<wire::DeviceType>(random() % 6);
            entry.id %= 16;
        }
        noxs::PageReader theirs;
        static_cast<void>(theirs.read(p->page));
        const DevicePageReader ours(&p->page);
        std::vector<wire::DeviceEntry> expected;
        theirs.for_each([&](const wire::DeviceEntry& entry) { expected.push_back(entry); });
        wire::DeviceEntry found[wire::max_devices];
        const auto count = ours.list(found);
        ASSERT_TRUE(count);
        const auto unknown = [](const wire::DeviceEntry& entry) { return !noxs::known_type(entry.type); };
        const auto known = static_cast<std::size_t>(std::remove_if(found, found + *count, unknown) - found);
        ASSERT_EQ(expected.size(), known);
        ASSERT_TRUE(expected.empty() || std::memcmp(expected.data(), found, known * sizeof found[0]) == 0);
    }
}

// A writer that follows the rule: every copy that the reader hands out is of one generation.
TEST(DevicePageReader, NeverHandsOutATornEntry) {
    auto p = std::make_unique<Page>();
    p->add(wire::DeviceType::vif, 0, 1);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        auto& page = p->page;
        auto& entry = page.entries[0];
        for (std::uint32_t i = 1; !stop.load(); ++i) {
            std::atomic_ref(page.generation).fetch_add(1, std::memory_order_acq_rel);
            std::atomic_ref(entry.port).store(i, std::memory_order_release);
            std::atomic_ref(entry.control_gfn).store(i, std::memory_order_release);
            std::atomic_ref(page.generation).fetch_add(1, std::memory_order_release);
        }
    });
    const DevicePageReader reader(&p->page);
    for (int i = 0; i < 100'000; ++i) {
        const auto entry = reader.first(wire::DeviceType::vif);
        if (entry && entry->control_gfn != 0) {
            EXPECT_EQ(entry->port, entry->control_gfn);
        }
    }
    stop.store(true);
    writer.join();
}

}  // namespace
}  // namespace guest
