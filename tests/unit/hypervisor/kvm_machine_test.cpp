// SPDX-License-Identifier: Apache-2.0
// Machines and the state of their vCPUs, with guests of a few instructions in this very process.
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cstring>
#include <span>

#include "base/mapping.hpp"
#include "hypervisor/kvm/hv/host.hpp"
#include "hypervisor/kvm/hv/machine.hpp"
#include "hypervisor/kvm/hv/page_tables.hpp"
#include "hypervisor/kvm/hv/stub.hpp"
#include "hypervisor/kvm/hv/vcpu_state.hpp"
#include "hypervisor/kvm/kvm_abi.hpp"

// Counts in a register, in memory and in a vector register, and shows itself by an exit after each step.
asm(R"(
        .section .rodata
        .globl kvm_counter, kvm_counter_end
kvm_counter:
        xor     %r12d, %r12d
        pxor    %xmm1, %xmm1
        mov     $1, %eax
        movd    %eax, %xmm2
1:      inc     %r12
        paddd   %xmm2, %xmm1
        movd    %xmm1, %r13d
        incq    0x180000
        xor     %eax, %eax
        out     %eax, $0x14
        jmp     1b
kvm_counter_end:
        .previous
)");
extern "C" {
extern const std::byte kvm_counter[];
extern const std::byte kvm_counter_end[];
}

namespace hypervisor::kvm {
namespace {

constexpr std::uint64_t memory_size = 4 << 20;
constexpr std::uint64_t counter_gpa = 0x180000;

class KvmMachineTest : public ::testing::Test {
 protected:
    void SetUp() override {
        auto host = open_host();
        if (!host) {
            GTEST_SKIP() << "KVM can't be used here: " << host.error().message;
        }
        host_ = std::move(*host);
    }

    struct Guest {
        base::Mapping memory;
        Machine machine;
        kvm_run* run;

        std::uint64_t counter() const { return *memory.at<std::uint64_t>(counter_gpa); }

        /// One step of the guest. KVM finishes the `out` of the step before on its way in.
        void step() const {
            ASSERT_EQ(::ioctl(machine.vcpu(0), KVM_RUN, 0), 0) << std::strerror(errno);
            ASSERT_EQ(run->exit_reason, static_cast<unsigned>(KVM_EXIT_IO));
            ASSERT_EQ(run->io.port, abi::port_wait);
        }
        void finish_instruction() const {
            run->immediate_exit = 1;
            ASSERT_EQ(::ioctl(machine.vcpu(0), KVM_RUN, 0), -1);
            ASSERT_EQ(errno, EINTR);
            run->immediate_exit = 0;
        }
    };

    Guest make() {
        const auto size = memory_size + page_table_size(memory_size);
        const base::Fd file(::memfd_create("guest", MFD_CLOEXEC));
        EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
        auto memory = base::Mapping::map(file.get(), 0, size, base::Access::read_write);
        EXPECT_TRUE(memory);
        const std::span bytes(memory->data(), memory->size());
        std::memcpy(bytes.data() + abi::stub_gpa, stub_bytes().data(), stub_bytes().size());
        std::memcpy(bytes.data() + abi::ram_gpa, kvm_counter, static_cast<std::size_t>(kvm_counter_end - kvm_counter));
        write_page_tables(bytes.subspan(memory_size), memory_size, 2);
        auto machine = Machine::create(host_.device.get(), bytes.subspan(abi::stub_gpa));
        EXPECT_TRUE(machine) << machine.error().message;
        const auto added = machine->add_vcpu(host_, memory_size, abi::ram_gpa, 0);
        EXPECT_TRUE(added) << added.error().message;
        void* run = ::mmap(nullptr, host_.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, machine->vcpu(0), 0);
        EXPECT_NE(run, MAP_FAILED);
        runs_.push_back(run);
        return {std::move(*memory), std::move(*machine), static_cast<kvm_run*>(run)};
    }

    void TearDown() override {
        for (void* run : runs_) {
            ::munmap(run, host_.run_size);
        }
    }

    Host host_;
    std::vector<void*> runs_;
};

TEST_F(KvmMachineTest, GoesOnInAnotherMachineWhereItWas) {
    const auto original = make();
    for (int i = 0; i < 5; ++i) {
        original.step();
    }
    original.finish_instruction();
    const auto state = capture(original.machine.vcpu(0));
    ASSERT_TRUE(state) << state.error().message;

    const auto clone = make();
    std::memcpy(clone.memory.data(), original.memory.data(), memory_size);
    const auto restored = restore(clone.machine.vcpu(0), *state);
    ASSERT_TRUE(restored) << restored.error().message;
    clone.step();
    EXPECT_EQ(clone.counter(), 6U);
    EXPECT_EQ(original.counter(), 5U);
    const auto after = capture(clone.machine.vcpu(0));
    ASSERT_TRUE(after);
    EXPECT_EQ(after->registers.r12, 6U);  // general registers
    EXPECT_EQ(after->registers.r13, 6U);  // vector registers
}

TEST_F(KvmMachineTest, LogsThePagesThatTheGuestWrites) {
    const auto guest = make();
    guest.step();
    const auto began = guest.machine.log_dirty_pages(DirtyLog::on);
    if (!began && began.error().sys_errno == EINVAL) {
        GTEST_SKIP() << "this host's KVM keeps no log of written pages";
    }
    ASSERT_TRUE(began) << began.error().message;
    const auto bit = (counter_gpa - abi::stub_gpa) / base::page_size;
    const auto written = [&] {
        const auto pages = guest.machine.take_dirty_pages();
        EXPECT_TRUE(pages) << pages.error().message;
        unsigned others = 0;
        for (std::size_t i = 0; i < pages->size() * 64; ++i) {
            others += i != bit && ((*pages)[i / 64] >> i % 64 & 1) != 0 && i < (memory_size - abi::stub_gpa) / 4096;
        }
        EXPECT_EQ(others, 0U);
        return ((*pages)[bit / 64] >> bit % 64 & 1) != 0;
    };
    EXPECT_FALSE(written());
    guest.step();
    EXPECT_TRUE(written());
    EXPECT_FALSE(written());
    guest.step();
    EXPECT_TRUE(written());
}

}  // namespace
}  // namespace hypervisor::kvm
