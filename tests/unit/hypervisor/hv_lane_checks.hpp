// SPDX-License-Identifier: Apache-2.0
// What data lanes of the drivers of chaos-hv must do, whatever runs the guest. The guests ring port 64, then echo what
// they are sent there.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstring>

#include "base/hvm_start_info.hpp"
#include "tests/unit/hypervisor/hv_driver_fixture.hpp"

namespace hypervisor::process {

/// Waits for edges of one lane's doorbell, as the data plane does.
class LaneListener {
 public:
    explicit LaneListener(DataLane& lane) : lane_(lane), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        EXPECT_EQ(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, lane.doorbell(), &event), 0) << std::strerror(errno);
    }
    /// The guest rings, or has rung before this was called.
    bool await_ring() {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!lane_.take_ring()) {
            epoll_event event{};
            if (std::chrono::steady_clock::now() > deadline || ::epoll_wait(epoll_.get(), &event, 1, 1000) < 0) {
                return false;
            }
        }
        return true;
    }

 private:
    DataLane& lane_;
    base::Fd epoll_;
};

inline std::unique_ptr<DataLane> open_lane(Domain& domain, std::optional<base::EvtchnPort> left = {}) {
    auto lane = domain.open_data_lane(left);
    EXPECT_TRUE(lane) << lane.error().message;
    EXPECT_EQ((*lane)->domain(), domain.id());
    EXPECT_EQ((*lane)->port(), base::EvtchnPort{abi::data_port});
    return std::move(*lane);
}

inline void expect_rings_both_ways(DataLane& lane) {
    LaneListener listener(lane);
    EXPECT_TRUE(listener.await_ring());
    EXPECT_FALSE(lane.take_ring());
    for (unsigned i = 0; i < 50; ++i) {
        lane.notify();
        ASSERT_TRUE(listener.await_ring()) << i;
    }
}

/// `domain` has 4 MiB and two control pages, and does not run.
inline void expect_grants_checked(Domain& domain, DataLane& lane) {
    const auto grant = [&](std::uint32_t ref, base::GrantEntryV1 entry) {
        ASSERT_TRUE(domain.write(abi::grant_table_gpa + ref * sizeof entry, std::as_bytes(std::span(&entry, 1))));
    };
    const auto page = domain.map_pages(base::Gfn{0x200}, 1);
    ASSERT_TRUE(page);
    constexpr base::GrantRef last{abi::grant_entries - 1};
    ASSERT_TRUE(lane.in_place());
    EXPECT_EQ(lane.granted(last, base::Access::read_only), nullptr);
    grant(last.value, {base::grant_permit_access, 0, 0x200});
    auto* in_place = lane.granted(last, base::Access::read_write);
    ASSERT_NE(in_place, nullptr);
    in_place[7] = std::byte{42};
    EXPECT_EQ(page->data()[7], std::byte{42});
    EXPECT_TRUE(lane.map_grant(last, base::Access::read_write));

    const auto refused = [&](base::Access access) {
        return lane.granted(base::GrantRef{8}, access) == nullptr && !lane.map_grant(base::GrantRef{8}, access);
    };
    grant(8, {base::grant_permit_access, 7, 0x200});
    EXPECT_TRUE(refused(base::Access::read_only)) << "granted to another domain";
    grant(8, {base::grant_permit_access | base::grant_readonly, 0, 0x200});
    EXPECT_FALSE(refused(base::Access::read_only));
    EXPECT_TRUE(refused(base::Access::read_write)) << "granted read-only";
    grant(8, {0, 0, 0x200});
    EXPECT_TRUE(refused(base::Access::read_only)) << "not granted";
    const auto control = static_cast<std::uint32_t>(domain.layout().control_first.value);
    for (const std::uint32_t frame : {control, control + 1, 0x100U, 0x3ffU}) {
        grant(8, {base::grant_permit_access, 0, frame});
        EXPECT_FALSE(refused(base::Access::read_write)) << frame;
    }
    for (const std::uint32_t frame : {0U, 0x10U, 0x12U, 0x14U, control + 2, 0x7dU, 0xe0U, 0x400U, 0xffffffffU}) {
        grant(8, {base::grant_permit_access, 0, frame});
        EXPECT_TRUE(refused(base::Access::read_only)) << frame;
    }
    EXPECT_EQ(lane.granted(base::GrantRef{abi::grant_entries}, base::Access::read_only), nullptr);
    EXPECT_EQ(lane.granted(base::GrantRef{0xffffffff}, base::Access::read_only), nullptr);
}

/// As expect_grants_checked.
inline void expect_copies_checked(Domain& domain, DataLane& lane) {
    const std::array<base::GrantEntryV1, 2> entries{
        {{base::grant_permit_access, 0, 0x200}, {base::grant_permit_access | base::grant_readonly, 0, 0x201}}};
    ASSERT_TRUE(domain.write(abi::grant_table_gpa + 8 * sizeof(base::GrantEntryV1), std::as_bytes(std::span(entries))));
    const auto pages = domain.map_pages(base::Gfn{0x200}, 2);
    ASSERT_TRUE(pages);
    std::array<std::byte, 16> local;
    local.fill(std::byte{1});
    const auto piece = [&](std::uint32_t ref, std::uint16_t offset) {
        return GrantCopy{base::GrantRef{ref}, offset, 16, local.data()};
    };
    std::array<GrantCopy, 5> out{piece(8, 4080), piece(8, 4081), piece(9, 0), piece(10, 0), piece(4096, 0)};
    lane.copy(out, CopyDirection::to_guest);
    EXPECT_TRUE(out[0].done);
    EXPECT_FALSE(out[1].done) << "leaves the page";
    EXPECT_FALSE(out[2].done) << "granted read-only";
    EXPECT_FALSE(out[3].done) << "not granted";
    EXPECT_FALSE(out[4].done) << "no such entry";
    EXPECT_EQ(pages->data()[4079], std::byte{0});
    EXPECT_EQ(pages->data()[4080], std::byte{1});
    EXPECT_EQ(pages->data()[4095], std::byte{1});
    EXPECT_EQ(pages->data()[4096], std::byte{0});
    pages->data()[4096 + 5] = std::byte{9};
    std::array<GrantCopy, 1> in{piece(9, 0)};
    lane.copy(in, CopyDirection::from_guest);
    EXPECT_TRUE(in[0].done);
    EXPECT_EQ(local[5], std::byte{9});
    EXPECT_EQ(local[6], std::byte{0});
}

}  // namespace hypervisor::process
