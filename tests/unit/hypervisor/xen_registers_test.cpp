// SPDX-License-Identifier: Apache-2.0
// What a crashed domain's context says, in the interface's words.
#include <gtest/gtest.h>

#include "hypervisor/xen/xen_domain.hpp"

namespace hypervisor::xen {
namespace {

TEST(XenRegisters, EachInItsPlace) {
    HvmCpu cpu{};
    cpu.rax = 1, cpu.rbx = 2, cpu.rcx = 3, cpu.rdx = 4, cpu.rsi = 5, cpu.rdi = 6, cpu.rbp = 7, cpu.rsp = 8;
    cpu.r8 = 9, cpu.r9 = 10, cpu.r10 = 11, cpu.r11 = 12, cpu.r12 = 13, cpu.r13 = 14, cpu.r14 = 15, cpu.r15 = 16;
    cpu.rip = 17, cpu.rflags = 18;
    const auto r = registers_of(cpu);
    const std::uint64_t in_order[] = {r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8,
                                      r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip, r.rflags};
    std::uint64_t expected = 0;
    for (const auto value : in_order) {
        EXPECT_EQ(value, ++expected);
    }
}

TEST(Describe, ACrashWithoutSignals) {
    Death death{.kind = DeathKind::crashed};
    EXPECT_EQ(describe(death), "crashed: it gave up");
    death.registers = Registers{};
    EXPECT_EQ(describe(death), "crashed at ip 0x0, last page fault at 0x0 or none");
    death.ip = 0x100123;
    death.address = 0xdead0000;
    EXPECT_EQ(describe(death), "crashed at ip 0x100123, last page fault at 0xdead0000");
}

TEST(Describe, ACallThroughANullPointerHasAState) {
    Death death{.kind = DeathKind::crashed, .signal = 11};
    EXPECT_EQ(describe(death), "crashed: SIGSEGV (its state could not be read)");
    death.registers = Registers{};
    EXPECT_EQ(describe(death), "crashed: SIGSEGV at 0x0, ip 0x0");
}

}  // namespace
}  // namespace hypervisor::xen
