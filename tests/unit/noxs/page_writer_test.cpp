// SPDX-License-Identifier: Apache-2.0
#include "noxs/page_writer.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/fake_domain.hpp"

namespace noxs {
namespace {

using wire::DeviceType;

wire::DeviceEntry entry(DeviceType type, std::uint32_t id) {
    wire::DeviceEntry made{};
    made.type = type;
    made.id = id;
    made.control_ref = 511 - id;
    made.port = id + 1;
    made.control_gfn = 0x15 + id;
    return made;
}

/// A page in memory that records the generation and size of each write.
struct Page {
    wire::DevicePage bytes{};
    std::vector<std::uint32_t> generations;
    std::vector<std::size_t> sizes;
    int fail_at{-1};

    PageWriter::Write writer() {
        return [this](std::size_t offset, std::span<const std::byte> data) -> Result<void> {
            if (static_cast<int>(sizes.size()) == fail_at) {
                fail_at = -1;
                return base::fail(base::Code::io_error, "as the test wishes");
            }
            EXPECT_LE(offset + data.size(), sizeof(bytes));
            std::memcpy(reinterpret_cast<std::byte*>(&bytes) + offset, data.data(), data.size());
            generations.push_back(bytes.generation);
            sizes.push_back(data.size());
            return {};
        };
    }
    bool same_as(const wire::DevicePage& other) const { return std::memcmp(&bytes, &other, sizeof(bytes)) == 0; }
};

TEST(PageWriter, WritesFreshPageInOneGo) {
    PageWriter writer;
    Page page;
    ASSERT_TRUE(writer.add(entry(DeviceType::sysctl, 0)));
    ASSERT_TRUE(writer.add(entry(DeviceType::console, 0)));
    ASSERT_TRUE(writer.publish(page.writer()));

    EXPECT_EQ(page.sizes, (std::vector<std::size_t>{32 + 2 * 32}));
    EXPECT_EQ(page.bytes.magic, wire::magic);
    EXPECT_EQ(page.bytes.version, 1);
    EXPECT_EQ(page.bytes.entry_size, 32);
    EXPECT_EQ(page.bytes.count, 2U);
    EXPECT_EQ(page.bytes.generation, 2U);
    EXPECT_TRUE(page.same_as(writer.image()));
}

TEST(PageWriter, WritesLivePageUnderOddGeneration) {
    PageWriter writer;
    Page page;
    ASSERT_TRUE(writer.add(entry(DeviceType::sysctl, 0)));
    ASSERT_TRUE(writer.publish(page.writer()));
    page.generations.clear();

    ASSERT_TRUE(writer.add(entry(DeviceType::vif, 0)));
    ASSERT_TRUE(writer.publish(page.writer()));

    EXPECT_EQ(page.generations, (std::vector<std::uint32_t>{3, 3, 3, 4}));
    EXPECT_TRUE(page.same_as(writer.image()));
}

TEST(PageWriter, WritesNothingWhenNothingChanged) {
    PageWriter writer;
    Page page;
    ASSERT_TRUE(writer.publish(page.writer()));
    ASSERT_TRUE(writer.publish(page.writer()));
    EXPECT_EQ(page.sizes.size(), 1U);
    EXPECT_EQ(writer.generation(), 2U);
}

TEST(PageWriter, RemovesByTypeAndId) {
    PageWriter writer;
    ASSERT_TRUE(writer.add(entry(DeviceType::vif, 1)));
    ASSERT_TRUE(writer.add(entry(DeviceType::vbd, 1)));
    ASSERT_TRUE(writer.add(entry(DeviceType::vif, 2)));

    ASSERT_TRUE(writer.remove(DeviceType::vbd, 1));

    EXPECT_NE(writer.find(DeviceType::vif, 1), nullptr);
    EXPECT_NE(writer.find(DeviceType::vif, 2), nullptr);
    EXPECT_EQ(writer.find(DeviceType::vbd, 1), nullptr);
    const auto again = writer.remove(DeviceType::vbd, 1);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, base::Code::not_found);
}

TEST(PageWriter, KeepsSparseTable) {
    PageWriter writer;
    Page page;
    for (std::uint32_t id = 0; id < 3; ++id) {
        ASSERT_TRUE(writer.add(entry(DeviceType::vif, id)));
    }
    ASSERT_TRUE(writer.remove(DeviceType::vif, 1));
    ASSERT_TRUE(writer.publish(page.writer()));
    EXPECT_EQ(page.bytes.count, 3U);
    EXPECT_EQ(page.bytes.entries[1].type, DeviceType::none);
    EXPECT_EQ(page.bytes.entries[2].id, 2U);
    EXPECT_EQ(writer.devices(), 2U);

    ASSERT_TRUE(writer.remove(DeviceType::vif, 2));
    ASSERT_TRUE(writer.publish(page.writer()));
    EXPECT_EQ(page.bytes.count, 1U) << "empty slots at the end do not count";
    EXPECT_EQ(page.bytes.entries[2].type, DeviceType::none);

    ASSERT_TRUE(writer.add(entry(DeviceType::vbd, 9)));
    ASSERT_TRUE(writer.publish(page.writer()));
    EXPECT_EQ(page.bytes.entries[1].type, DeviceType::vbd) << "the first free slot";
    EXPECT_TRUE(page.same_as(writer.image()));
}

TEST(PageWriter, RejectsDuplicate) {
    PageWriter writer;
    ASSERT_TRUE(writer.add(entry(DeviceType::vif, 3)));
    const auto twice = writer.add(entry(DeviceType::vif, 3));
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, base::Code::name_in_use);
    EXPECT_TRUE(writer.add(entry(DeviceType::vbd, 3)));
}

TEST(PageWriter, RejectsEntryBeyondCapacity) {
    PageWriter writer;
    Page page;
    for (std::uint32_t id = 0; id < wire::max_devices; ++id) {
        ASSERT_TRUE(writer.add(entry(DeviceType::vif, id))) << id;
    }
    const auto beyond = writer.add(entry(DeviceType::vif, wire::max_devices));
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().code, base::Code::limit_reached);
    ASSERT_TRUE(writer.publish(page.writer()));
    EXPECT_EQ(page.bytes.count, 127U);
    EXPECT_EQ(page.sizes.front(), 4096U);
}

TEST(PageWriter, RejectsEntryWithoutTypeOrWithReservedBits) {
    PageWriter writer;
    EXPECT_FALSE(writer.add(entry(DeviceType::none, 0)));
    auto odd = entry(DeviceType::vif, 0);
    odd.flags = 1;
    EXPECT_FALSE(writer.add(odd));
    EXPECT_FALSE(writer.remove(DeviceType::none, 0));
    EXPECT_EQ(writer.count(), 0U);
}

TEST(PageWriter, FinishesAfterFailedWrite) {
    for (int failing = 1; failing <= 4; ++failing) {
        PageWriter writer;
        Page page;
        ASSERT_TRUE(writer.add(entry(DeviceType::sysctl, 0)));
        ASSERT_TRUE(writer.publish(page.writer()));
        ASSERT_TRUE(writer.add(entry(DeviceType::vif, 0)));
        page.fail_at = failing;
        EXPECT_FALSE(writer.publish(page.writer()));
        ASSERT_TRUE(writer.publish(page.writer()));
        EXPECT_TRUE(page.same_as(writer.image()));
        EXPECT_EQ(page.bytes.generation, 4U);
    }
}

TEST(PageWriter, TakesOverPageOfAnotherWriter) {
    PageWriter first;
    Page page;
    for (std::uint32_t id = 0; id < 5; ++id) {
        ASSERT_TRUE(first.add(entry(DeviceType::vif, id)));
    }
    ASSERT_TRUE(first.publish(page.writer()));
    page.generations.clear();

    auto second = PageWriter::take_over(first.generation());
    ASSERT_TRUE(second.add(entry(DeviceType::sysctl, 0)));
    ASSERT_TRUE(second.publish(page.writer()));
    EXPECT_EQ(page.generations.front() % 2, 1U);
    EXPECT_EQ(page.bytes.count, 1U);
    EXPECT_TRUE(page.same_as(second.image()));
    EXPECT_GT(second.generation(), first.generation());
}

TEST(PageWriter, PublishesIntoDomain) {
    test_support::FakeDomain domain;
    PageWriter writer;
    ASSERT_TRUE(writer.add(entry(DeviceType::sysctl, 0)));
    ASSERT_TRUE(writer.publish(domain));
    const auto image = writer.image();
    EXPECT_EQ(std::memcmp(&domain.page<wire::DevicePage>(domain.device_page_gfn), &image, sizeof(image)), 0);
}

}  // namespace
}  // namespace noxs
