// SPDX-License-Identifier: Apache-2.0
// Data lanes on real Xen: skipped where this machine is no dom0 (tests/xen/boot gives one).
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "hypervisor/xen/xen.hpp"
#include "hypervisor/xen/xen_abi.hpp"

// A guest at 1 MiB: asks for frame 1 of its grant table and grants page 0x182 with its entry 88, rings the port that it
// finds at 0x180000, waits for it, rings again ... 32-bit, by the PVH entry; the hypercall page is at 0x181000 (Xen,
// public/xen.h, memory.h, event_channel.h, sched.h).
asm(R"(
        .section .rodata
        .globl xen_lane_guest, xen_lane_guest_end
        .code32
xen_lane_guest:
        mov     $0x190000, %esp
        mov     $0x40000000, %ecx
        mov     $0x181000, %eax
        xor     %edx, %edx
        wrmsr
        mov     $7, %ebx                        # XENMEM_add_to_physmap
        mov     $0x180020, %ecx
        mov     $(0x181000 + 12 * 32), %eax
        call    *%eax
        test    %eax, %eax
        jnz     1f
        movl    $0x182, 0x6e000 + 88 * 8 + 4
        movl    $1, 0x6e000 + 88 * 8            # GTF_permit_access, domain 0
1:      mov     $4, %ebx                        # EVTCHNOP_send
        mov     $0x180000, %ecx
        mov     $(0x181000 + 32 * 32), %eax
        call    *%eax
2:      xor     %eax, %eax
        xchg    %eax, 0x6c000 + 2048            # evtchn_pending[0]
        test    %eax, %eax
        jnz     1b
        mov     $3, %ebx                        # SCHEDOP_poll
        mov     $0x180010, %ecx
        mov     $(0x181000 + 29 * 32), %eax
        call    *%eax
        jmp     2b
xen_lane_guest_end:
        .code64
        .previous
)");
extern "C" {
extern const std::byte xen_lane_guest[];
extern const std::byte xen_lane_guest_end[];
}

namespace hypervisor::xen {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t port_gpa = 0x180000;
constexpr std::uint64_t page_gpa = 0x182000;

/// struct sched_poll of a 32-bit guest.
struct Poll32 {
    std::uint32_t ports;
    std::uint32_t count;
    std::uint64_t timeout;
};

/// struct xen_add_to_physmap of a 32-bit guest.
struct AddToPhysmap32 {
    std::uint16_t domid;
    std::uint16_t size;
    std::uint32_t space;
    std::uint32_t index;
    std::uint32_t gfn;
};

class XenLaneTest : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string folder = ::testing::TempDir() + "chaos-xen-XXXXXX";
        ASSERT_NE(::mkdtemp(folder.data()), nullptr);
        options_.runtime_dir = folder;
        auto opened = open_driver(options_);
        if (!opened) {
            GTEST_SKIP() << opened.error().message;
        }
        driver_ = std::move(*opened);
        auto made = driver_->create_shell({.memory = base::mib(4), .data_lane = true});
        ASSERT_TRUE(made) << made.error().message;
        domain_ = std::move(*made);
    }
    void TearDown() override {
        lane_.reset();
        if (domain_) {
            EXPECT_TRUE(domain_->destroy());
            domain_.reset();
        }
        driver_.reset();
        std::filesystem::remove_all(options_.runtime_dir);
    }
    void open_lane(std::optional<base::EvtchnPort> left = {}) {
        auto lane = domain_->open_data_lane(left);
        ASSERT_TRUE(lane) << lane.error().message;
        lane_ = std::move(*lane);
        epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        ASSERT_EQ(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, lane_->doorbell(), &event), 0);
    }
    bool await_ring() {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (!lane_->take_ring()) {
            epoll_event event{};
            if (std::chrono::steady_clock::now() > deadline || ::epoll_wait(epoll_.get(), &event, 1, 1000) < 0) {
                return false;
            }
        }
        return true;
    }
    void write_word(std::uint64_t gpa, std::uint32_t value) {
        ASSERT_TRUE(domain_->write(gpa, std::as_bytes(std::span(&value, 1))));
    }
    void run() {
        write_word(port_gpa, lane_->port().value);
        const Poll32 poll{port_gpa, 1, 0};
        ASSERT_TRUE(domain_->write(port_gpa + 0x10, std::as_bytes(std::span(&poll, 1))));
        const AddToPhysmap32 frame{0x7ff0, 0, 1, 1, static_cast<std::uint32_t>(abi::grant_table_gpa >> 12) + 1};
        ASSERT_TRUE(domain_->write(port_gpa + 0x20, std::as_bytes(std::span(&frame, 1))));
        Image image;
        image.load_gpa = image.begin_gpa = image.entry_pvh = abi::ram_gpa;
        image.bytes = {xen_lane_guest, xen_lane_guest_end};
        image.end_gpa = abi::ram_gpa + image.bytes.size();
        const auto loaded = domain_->load(image, {});
        ASSERT_TRUE(loaded) << loaded.error().message;
        ASSERT_TRUE(domain_->start(Caller::waits));
    }

    DriverOptions options_;
    std::unique_ptr<Hypervisor> driver_;
    std::unique_ptr<Domain> domain_;
    std::unique_ptr<DataLane> lane_;
    base::Fd epoll_;
};

TEST_F(XenLaneTest, RingsBothWaysAlsoWithTheNextDaemon) {
    ASSERT_TRUE(domain_->open_channel());
    open_lane();
    ASSERT_TRUE(lane_);
    run();
    ASSERT_TRUE(await_ring());
    for (int i = 0; i < 20; ++i) {
        lane_->notify();
        ASSERT_TRUE(await_ring()) << i;
    }
    const auto port = lane_->port();
    lane_.reset();
    domain_.reset();
    driver_.reset();
    auto opened = open_driver(options_);
    ASSERT_TRUE(opened) << opened.error().message;
    driver_ = std::move(*opened);
    auto adopted = driver_->adopt();
    ASSERT_TRUE(adopted) << adopted.error().message;
    ASSERT_EQ(adopted->size(), 1U);
    domain_ = std::move(adopted->front());
    open_lane(port);
    ASSERT_TRUE(lane_);
    EXPECT_EQ(lane_->port(), port);
    EXPECT_TRUE(await_ring());  // Xen: what came meanwhile may be lost
    for (int i = 0; i < 20; ++i) {
        lane_->notify();
        ASSERT_TRUE(await_ring()) << i;
    }
}

TEST_F(XenLaneTest, AGuestGetsMoreOfItsGrantTable) {
    open_lane();
    ASSERT_TRUE(lane_);
    run();
    ASSERT_TRUE(await_ring());
    write_word(page_gpa, 0x5678);
    const auto page = lane_->map_grant(base::GrantRef{abi::entries_of_grant_frame + 88}, base::Access::read_only);
    ASSERT_TRUE(page) << page.error().message;
    EXPECT_EQ(*page->at<std::uint32_t>(), 0x5678U);
}

TEST_F(XenLaneTest, IsOneAtATimeAndComesBackAtItsPort) {
    open_lane();
    ASSERT_TRUE(lane_);
    const auto port = lane_->port();
    EXPECT_EQ(domain_->open_data_lane({}).error().code, base::Code::bad_state);
    lane_.reset();
    open_lane();
    ASSERT_TRUE(lane_);
    EXPECT_EQ(lane_->port(), port);
    EXPECT_FALSE(domain_->open_data_lane(base::EvtchnPort{77}));
}

TEST_F(XenLaneTest, MapsAndCopiesWhatIsGranted) {
    open_lane();
    ASSERT_TRUE(lane_);
    EXPECT_FALSE(lane_->in_place());
    constexpr base::GrantRef ref{511};
    EXPECT_EQ(lane_->granted(ref, base::Access::read_only), nullptr);
    EXPECT_FALSE(lane_->map_grant(ref, base::Access::read_only)) << "not granted";
    ASSERT_TRUE(domain_->seed_grant(ref, base::dom0, base::gfn_of(page_gpa)));
    write_word(page_gpa + 4092, 0x1234);
    {
        const auto page = lane_->map_grant(ref, base::Access::read_write);
        ASSERT_TRUE(page) << page.error().message;
        EXPECT_EQ(*page->at<std::uint32_t>(4092), 0x1234U);
    }
    std::vector<std::byte> local(100 * 16, std::byte{7});
    std::vector<GrantCopy> pieces;
    for (std::uint16_t i = 0; i < 100; ++i) {  // more than one call's; every third one is wrong
        const std::uint16_t offset = i % 3 == 1 ? 4090 : static_cast<std::uint16_t>(i * 16);
        pieces.push_back({i % 3 == 2 ? base::GrantRef{510} : ref, offset, 16, local.data() + i * 16});
    }
    lane_->copy(pieces, CopyDirection::to_guest);
    for (unsigned i = 0; i < 100; ++i) {
        EXPECT_EQ(pieces[i].done, i % 3 == 0) << i;
    }
    std::uint32_t word = 0;
    std::array<GrantCopy, 2> back{GrantCopy{ref, 99 * 16, 4, reinterpret_cast<std::byte*>(&word)},
                                  GrantCopy{base::GrantRef{510}, 0, 4, reinterpret_cast<std::byte*>(&word)}};
    lane_->copy(back, CopyDirection::from_guest);
    EXPECT_TRUE(back[0].done);
    EXPECT_FALSE(back[1].done);
    EXPECT_EQ(word, 0x07070707U);
}

}  // namespace
}  // namespace hypervisor::xen
