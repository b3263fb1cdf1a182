// SPDX-License-Identifier: Apache-2.0
// The kvm driver against a real chaos-hv, where KVM works.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <cstring>

#include "hypervisor/kvm/kvm.hpp"
#include "hypervisor/kvm/kvm_abi.hpp"
#include "hypervisor/kvm/kvm_device.hpp"
#include "tests/unit/hypervisor/hv_lane_checks.hpp"

// Guests, loaded at 1 MiB. Ports and addresses: kvm_abi.hpp.
asm(R"(
        .section .rodata
        .globl kvm_echo, kvm_exit, kvm_fault, kvm_stranger, kvm_port_in, kvm_all
        .globl kvm_all_fault, kvm_forge, kvm_lane, kvm_no_lane, kvm_code_end
kvm_echo:                                       # rings port 5, waits, rings the ports that it was sent, ...
        mov     %rsi, 0x180000
        mov     %rdi, 0x180008
        mov     $32, %eax
1:      lock orq %rax, 0x14010
        out     %eax, $0x10
2:      xor     %eax, %eax
        xchg    %rax, 0x14000
        test    %rax, %rax
        jnz     1b
        mov     $-1, %eax
        out     %eax, $0x14
        jmp     2b
kvm_exit:
        mov     $0x12a, %eax
        out     %eax, $0x18
kvm_fault:
        mov     $0xdead0000, %eax
        movb    $1, (%rax)
kvm_stranger:
        mov     $1, %eax
        out     %eax, $0x80
kvm_port_in:
        in      $0x14, %eax
kvm_all:                                        # starts vCPUs 1 and 2; the last of them to come says so
        movq    $(0x100000 + 3f - kvm_echo), 0x14400 + 120 + 24
        movq    $(0x100000 + 3f - kvm_echo), 0x14400 + 120 + 48
        mov     $1, %eax
        out     %eax, $0x20
        mov     $2, %eax
        out     %eax, $0x20
        mov     $1, %eax
        out     %eax, $0x20                     # runs already: nothing happens
        mov     $77, %eax
        out     %eax, $0x20                     # no such: nothing happens
4:      mov     $-1, %eax
        out     %eax, $0x14
        jmp     4b
3:      mov     $1, %eax
        lock xadd %eax, 0x180000
        cmp     $1, %eax
        jne     4b
        lock orq $32, 0x14010
        out     %eax, $0x10
        jmp     4b
kvm_all_fault:                                  # three vCPUs fault at once
        movq    $(0x100000 + 5f - kvm_echo), 0x14400 + 120 + 24
        movq    $(0x100000 + 5f - kvm_echo), 0x14400 + 120 + 48
        mov     $1, %eax
        out     %eax, $0x20
        mov     $2, %eax
        out     %eax, $0x20
5:      mov     $0xdead0000, %eax
        movb    $1, (%rax)
kvm_forge:                                      # claims to have crashed, everywhere that it can write
        mov     $0x14000 + 64, %edi
        mov     $0x6b766d00, %eax
        mov     $(4096 - 64) / 4, %ecx
        rep stosl
        mov     $125, %eax
        out     %eax, $0x18
kvm_lane:                                       # rings port 64 at the doorbell that it has for it; echoes what is sent
        mov     $1, %eax
1:      lock orq %rax, 0x14018
        cmpl    $0, 0x1402c
        je      3f
        out     %eax, $0x28
        jmp     2f
3:      out     %eax, $0x10
2:      xor     %eax, %eax
        xchg    %rax, 0x14008
        test    %rax, %rax
        jnz     1b
        mov     $-1, %eax
        out     %eax, $0x14
        jmp     2b
kvm_no_lane:                                    # rings a doorbell that it has not
        out     %eax, $0x28
        jmp     kvm_no_lane
kvm_code_end:
        .previous
)");
extern "C" {
extern const std::byte kvm_echo[];
extern const std::byte kvm_exit[];
extern const std::byte kvm_fault[];
extern const std::byte kvm_stranger[];
extern const std::byte kvm_port_in[];
extern const std::byte kvm_all[];
extern const std::byte kvm_all_fault[];
extern const std::byte kvm_forge[];
extern const std::byte kvm_lane[];
extern const std::byte kvm_no_lane[];
extern const std::byte kvm_code_end[];
}

namespace hypervisor::kvm {
namespace {

class KvmDriverTest : public process::HvDriverTest {
 protected:
    KvmDriverTest() : HvDriverTest(open_driver) {}

    void SetUp() override {
        if (const auto device = open_device(); !device) {
            GTEST_SKIP() << device.error().message;
        }
        if (const auto why = HvDriverTest::refusal(); why.find("KVM does not run guests here") != std::string::npos) {
            GTEST_SKIP() << why;
        }
        HvDriverTest::SetUp();
    }
    void TearDown() override {
        if (driver_) {
            HvDriverTest::TearDown();
        }
    }
    Domain& run(const std::byte* entry, unsigned vcpus = 1) {
        return HvDriverTest::run({kvm_echo, kvm_code_end}, entry, vcpus);
    }
    Domain& run_lane(bool data_lane) {
        auto& domain = shell({.memory = base::mib(4), .data_lane = data_lane});
        load(domain, {kvm_echo, kvm_code_end}, kvm_lane);
        EXPECT_TRUE(domain.start(Caller::waits));
        return domain;
    }
    static std::uint64_t address(const std::byte* code) {
        return abi::ram_gpa + static_cast<std::uint64_t>(code - kvm_echo);
    }
};

TEST_F(KvmDriverTest, EventsGoBothWays) {
    auto& domain = run(kvm_echo);
    ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 1; }));
    for (unsigned i = 2; i < 50; ++i) {
        ASSERT_TRUE(domain.notify(base::EvtchnPort{5}));
        ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == i; }));
    }
    const auto page = domain.map_pages(base::gfn_of(0x180000), 1);
    ASSERT_TRUE(page);
    EXPECT_EQ(*page->at<std::uint64_t>(0), abi::platform_id);
    EXPECT_EQ(*page->at<std::uint64_t>(8), abi::start_info_gpa);
}

TEST_F(KvmDriverTest, ExitCodeIsTheLowEightBits) {
    const auto death = death_of(run(kvm_exit));
    EXPECT_EQ(death.kind, DeathKind::exited);
    EXPECT_EQ(death.code, 0x2a);
}

TEST_F(KvmDriverTest, FaultLeavesRegisters) {
    const auto death = death_of(run(kvm_fault));
    EXPECT_EQ(death.kind, DeathKind::crashed);
    EXPECT_EQ(death.signal, 0);
    if (std::filesystem::exists("/sys/module/kvm_amd")) {
        GTEST_SKIP() << "KVM forgets the registers of a guest that faults, on AMD's processors";
    }
    ASSERT_TRUE(death.registers);
    EXPECT_EQ(death.ip, address(kvm_fault) + 5);
    EXPECT_EQ(death.address, 0xdead0000U);
    EXPECT_EQ(death.registers->rax, 0xdead0000U);
    EXPECT_EQ(death.registers->rsi, abi::platform_id);
    EXPECT_EQ(death.registers->rbx, 0U);
}

TEST_F(KvmDriverTest, OtherPortsEndTheDomain) {
    EXPECT_EQ(death_of(run(kvm_stranger)).kind, DeathKind::crashed);
    const auto death = death_of(run(kvm_port_in));
    EXPECT_EQ(death.kind, DeathKind::crashed);
    EXPECT_NE(describe(death).find("used port 20 in a way that it may not, at ip 0x"), std::string::npos)
        << describe(death);
}

TEST_F(KvmDriverTest, NoGuestForgesItsEnd) {
    const auto death = death_of(run(kvm_forge));
    EXPECT_EQ(death.kind, DeathKind::exited);
    EXPECT_EQ(death.code, 125);
    EXPECT_FALSE(death.registers);
}

TEST_F(KvmDriverTest, OneOfSeveralCrashesIsTold) {
    for (unsigned round = 0; round < 20; ++round) {
        const auto death = death_of(run(kvm_all_fault, 3));
        EXPECT_EQ(death.kind, DeathKind::crashed);
        EXPECT_TRUE(!death.registers || death.registers->rax == 0xdead0000);
    }
}

TEST_F(KvmDriverTest, ClockIsSetAtTheLaunch) {
    auto& domain = shell();
    load(domain, {kvm_echo, kvm_code_end}, kvm_echo);
    const auto page = domain.map_pages(base::gfn_of(abi::event_page_gpa), 1);
    ASSERT_TRUE(page);
    const auto& machine = *page->at<abi::MachinePage>(abi::machine_page_offset);
    EXPECT_EQ(machine.time.system_time, 0U);
    const auto now = [] {
        return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    };
    const auto before = now();
    ASSERT_TRUE(domain.start(Caller::waits));
    ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 1; }));
    EXPECT_GE(machine.time.system_time, before);
    EXPECT_LE(machine.time.system_time, now());
    EXPECT_NE(machine.time.tsc_timestamp, 0U);
}

TEST_F(KvmDriverTest, StartsEachVcpuOnce) {
    auto& domain = run(kvm_all, 3);
    ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 1; }));
    const auto page = domain.map_pages(base::gfn_of(0x180000), 1);
    ASSERT_TRUE(page);
    EXPECT_EQ(*page->at<std::uint32_t>(0), 2U);
}

TEST_F(KvmDriverTest, PausedAndEndedWhereverItIs) {
    for (unsigned round = 0; round < 20; ++round) {
        auto& domain = run(kvm_all, 3);
        EXPECT_TRUE(domain.pause());
        EXPECT_TRUE(round % 2 == 0 ? domain.unpause() : domain.destroy());
    }
}

TEST_F(KvmDriverTest, DataLaneRingsBothWays) {
    for (const bool own : {true, false}) {
        auto& domain = run_lane(own);
        const auto lane = process::open_lane(domain);
        process::expect_rings_both_ways(*lane);
        EXPECT_TRUE(driver_->poll(seen_, 64));
        EXPECT_EQ(seen_.rings.size(), 0U);
    }
}

TEST_F(KvmDriverTest, DataLaneGoesOnWithTheNextDaemon) {
    auto lane = process::open_lane(run_lane(true));
    ASSERT_TRUE(process::LaneListener(*lane).await_ring());
    lane->notify();  // answered while nobody listens
    lane.reset();
    domains_.clear();
    driver_.reset();
    open();
    ASSERT_EQ(domains_.size(), 1U);
    lane = process::open_lane(*domains_[0], base::EvtchnPort{abi::data_port});
    process::expect_rings_both_ways(*lane);
}

TEST_F(KvmDriverTest, DataLaneChecksGrants) {
    auto& domain = shell({.memory = base::mib(4), .data_lane = true});
    const auto lane = process::open_lane(domain);
    process::expect_grants_checked(domain, *lane);
    process::expect_copies_checked(domain, *lane);
}

TEST_F(KvmDriverTest, PortOfNoDataLaneEndsTheDomain) {
    EXPECT_EQ(death_of(run(kvm_no_lane)).kind, DeathKind::crashed);
}

TEST_F(KvmDriverTest, SparePagesAreThere) {
    auto& domain = shell({.memory = base::mib(4), .control_pages = 40, .spare_pages = 38});
    const auto all = domain.map_pages(domain.layout().control_first, 40);
    ASSERT_TRUE(all);
    EXPECT_EQ(all->data()[40 * base::page_size - 1], std::byte{0});
}

TEST_F(KvmDriverTest, RefusesWhatItCannotMake) {
    EXPECT_FALSE(driver_->create_shell({base::mib(4), 0, 2}));
    const auto many = driver_->create_shell({base::mib(4), abi::max_vcpus + 1, 2});
    ASSERT_FALSE(many);
    EXPECT_NE(many.error().message.find("65 vcpus"), std::string::npos) << many.error().message;
}

}  // namespace
}  // namespace hypervisor::kvm
