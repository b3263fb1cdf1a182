// SPDX-License-Identifier: Apache-2.0
// Data lanes against a real chaos-hv, with guests of a few instructions.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "hypervisor/process/process_driver.hpp"
#include "tests/unit/hypervisor/hv_lane_checks.hpp"

asm(R"(
        .section .rodata
        .globl lane_guest, lane_guest_end
lane_guest:                                     # rings port 64 at the doorbell that it has for it; echoes what is sent
        mov     $1, %eax
1:      lock orq %rax, 0x14018
        mov     $3, %edi
        add     0x1402c, %edi
        mov     $1, %eax
        mov     $0x100f20, %esi
        movq    $1, 0x100f20
        mov     $8, %edx
        syscall
2:      mov     0x14020, %edx
        xor     %eax, %eax
        xchg    %rax, 0x14008
        test    %rax, %rax
        jnz     1b
        mov     $202, %eax
        mov     $0x14020, %edi
        xor     %esi, %esi
        xor     %r10d, %r10d
        syscall
        jmp     2b
lane_guest_end:
        .previous
)");
extern "C" {
extern const std::byte lane_guest[];
extern const std::byte lane_guest_end[];
}

namespace hypervisor::process {
namespace {

ShellSpec shape(bool data_lane) {
    return {.memory = base::mib(4), .control_pages = 2, .data_lane = data_lane};
}

class ProcessLaneTest : public HvDriverTest {
 protected:
    ProcessLaneTest() : HvDriverTest(open_driver) {}

    Domain& run(bool data_lane) {
        auto& domain = shell(shape(data_lane));
        load(domain, {lane_guest, lane_guest_end}, lane_guest);
        EXPECT_TRUE(domain.start(Caller::waits));
        return domain;
    }
    std::string proc(Domain& domain) { return "/proc/" + std::to_string(domain.info(Detail::state)->host_pid); }
    /// How often the guest wrote to that doorbell, which nobody reads.
    unsigned long rings_of(Domain& domain, int doorbell) {
        std::ifstream info(proc(domain) + "/fdinfo/" + std::to_string(doorbell));
        std::string word;
        std::string count;
        while (info >> word && word != "eventfd-count:") {
        }
        info >> count;
        return std::stoul(count, nullptr, 16);
    }
};

TEST_F(ProcessLaneTest, RingsBothWaysOverADoorbellOfItsOwn) {
    auto& domain = run(true);
    const auto lane = open_lane(domain);
    expect_rings_both_ways(*lane);
    EXPECT_EQ(rings_of(domain, abi::doorbell_fd), 0U) << "the main thread hears nothing of it";
    EXPECT_GT(rings_of(domain, abi::data_doorbell_fd), 50U);
}

TEST_F(ProcessLaneTest, RingsBothWaysOverTheSharedDoorbell) {
    auto& domain = run(false);
    const auto lane = open_lane(domain);
    expect_rings_both_ways(*lane);
    EXPECT_TRUE(driver_->poll(seen_, 64));
    EXPECT_EQ(seen_.rings.size(), 0U) << "its ports are not the main thread's";
}

/// More often than one guest may ring the main thread, which stops listening to it meanwhile.
TEST_F(ProcessLaneTest, IsNotSilencedWithTheSharedDoorbell) {
    auto& domain = run(false);
    const auto lane = open_lane(domain);
    LaneListener listener(*lane);
    ASSERT_TRUE(listener.await_ring());
    for (unsigned i = 0; i < 1000; ++i) {
        lane->notify();
        ASSERT_TRUE(listener.await_ring()) << i;
        EXPECT_TRUE(driver_->poll(seen_, 64));
    }
}

TEST_F(ProcessLaneTest, IsOneAtATime) {
    auto& domain = shell(shape(true));
    auto lane = open_lane(domain);
    EXPECT_EQ(domain.open_data_lane({}).error().code, base::Code::bad_state);
    EXPECT_EQ(lane->notify(base::EvtchnPort{5}).error().code, base::Code::invalid_argument);
    lane.reset();
    EXPECT_TRUE(domain.open_data_lane({}));
    EXPECT_EQ(domain.open_data_lane(base::EvtchnPort{5}).error().code, base::Code::invalid_argument);
    ASSERT_TRUE(domain.destroy());
    EXPECT_EQ(domain.open_data_lane({}).error().code, base::Code::bad_state);
}

TEST_F(ProcessLaneTest, OutlivesItsDomain) {
    auto& domain = run(true);
    const auto lane = open_lane(domain);
    ASSERT_TRUE(LaneListener(*lane).await_ring());
    ASSERT_TRUE(domain.destroy());
    domains_.clear();
    lane->notify();
    EXPECT_FALSE(lane->take_ring());
}

TEST_F(ProcessLaneTest, IsServedByAThreadOfItsOwn) {
    for (const bool own : {true, false}) {
        auto& domain = run(own);
        auto lane = open_lane(domain);
        std::atomic<bool> done{false};
        std::thread plane([&, lane = std::move(lane)]() mutable {
            expect_rings_both_ways(*lane);
            lane.reset();
            done = true;
        });
        while (!done) {
            EXPECT_TRUE(driver_->poll(seen_, 64));
            EXPECT_TRUE(domain.info(Detail::state));
        }
        plane.join();
        EXPECT_EQ(seen_.rings.size(), 0U);
    }
}

TEST_F(ProcessLaneTest, ChecksGrants) {
    auto& domain = shell(shape(true));
    const auto lane = open_lane(domain);
    expect_grants_checked(domain, *lane);
}

TEST_F(ProcessLaneTest, ChecksEachPieceOfACopy) {
    auto& domain = shell(shape(true));
    const auto lane = open_lane(domain);
    expect_copies_checked(domain, *lane);
}

TEST_F(ProcessLaneTest, GoesOnWithTheNextDaemon) {
    for (const bool own : {true, false}) {
        auto& domain = run(own);
        auto lane = open_lane(domain);
        ASSERT_TRUE(LaneListener(*lane).await_ring());
        lane->notify();  // answered while nobody listens
        lane.reset();
        domains_.clear();
        driver_.reset();
        open();
        ASSERT_EQ(domains_.size(), 1U);
        lane = open_lane(*domains_[0], base::EvtchnPort{abi::data_port});
        expect_rings_both_ways(*lane);
        lane.reset();
        ASSERT_TRUE(domains_[0]->destroy());
        domains_.clear();
    }
}

TEST_F(ProcessLaneTest, OnlyWhoAsksHasTheSecondDoorbell) {
    for (const bool own : {true, false, true, false}) {
        auto& domain = shell(shape(own));
        EXPECT_EQ(std::filesystem::exists(proc(domain) + "/fd/4"), own);
        EXPECT_FALSE(std::filesystem::exists(proc(domain) + "/fd/5"));
    }
}

TEST_F(ProcessLaneTest, SparePagesAreThereAndGivenLater) {
    ShellSpec spec = shape(false);
    spec.control_pages = 40;
    spec.spare_pages = 38;
    auto& domain = shell(spec);
    EXPECT_EQ(domain.layout().control_pages, 40U);
    const auto all = domain.map_pages(domain.layout().control_first, 40);
    ASSERT_TRUE(all);
    EXPECT_EQ(all->data()[40 * base::page_size - 1], std::byte{0});
    spec.spare_pages = 40;
    EXPECT_EQ(driver_->create_shell(spec).error().code, base::Code::invalid_argument);
}

}  // namespace
}  // namespace hypervisor::process
