// SPDX-License-Identifier: Apache-2.0
// What a guest of the kvm driver can reach, by a walk through its page tables as the processor does it.
#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <vector>

#include "hypervisor/kvm/hv/page_tables.hpp"
#include "hypervisor/kvm/hv/stub.hpp"
#include "hypervisor/kvm/hv/time_scale.hpp"
#include "hypervisor/kvm/kvm_abi.hpp"

namespace hypervisor::kvm {
namespace {

constexpr std::uint64_t mib = 1 << 20;

struct Rights {
    std::uint64_t gpa;
    bool write, execute;
};

class Tables {
 public:
    explicit Tables(std::uint64_t memory, std::uint32_t control_pages = 2)
        : memory_(memory), bytes_(page_table_size(memory)) {
        write_page_tables(bytes_, memory, control_pages);
    }

    /// What privilege level 3 may do at `address`; nothing: it faults.
    std::optional<Rights> walk(std::uint64_t address) const {
        std::uint64_t table = memory_;
        Rights rights{0, true, true};
        for (int shift = 39; shift >= 12; shift -= 9) {
            const std::uint64_t entry = entry_at(table + (address >> shift & 511) * 8);
            if ((entry & 5) != 5) {  // present, user
                return std::nullopt;
            }
            rights.write = rights.write && (entry & 2) != 0;
            rights.execute = rights.execute && entry >> 63 == 0;
            const std::uint64_t frame = entry & 0x000ffffffffff000;
            if (shift == 12 || (entry & 0x80) != 0) {
                rights.gpa = frame | (address & ((std::uint64_t{1} << shift) - 1));
                return rights;
            }
            table = frame;
        }
        return std::nullopt;
    }

 private:
    std::uint64_t entry_at(std::uint64_t gpa) const {
        EXPECT_GE(gpa, memory_);
        EXPECT_LT(gpa, memory_ + bytes_.size());
        std::uint64_t entry = 0;
        std::memcpy(&entry, bytes_.data() + (gpa - memory_), sizeof entry);
        return entry;
    }

    std::uint64_t memory_;
    std::vector<std::byte> bytes_;
};

void expect(const Tables& tables, std::uint64_t address, bool write, bool execute) {
    const auto rights = tables.walk(address);
    ASSERT_TRUE(rights) << std::hex << address;
    EXPECT_EQ(rights->gpa, address) << std::hex << address;
    EXPECT_EQ(rights->write, write) << std::hex << address;
    EXPECT_EQ(rights->execute, execute) << std::hex << address;
}

TEST(KvmPageTables, GiveThePagesOfTheAbiTheirRights) {
    const Tables tables(4 * mib);
    expect(tables, abi::stub_gpa + 8, false, true);
    expect(tables, abi::start_info_gpa, false, false);
    expect(tables, abi::device_page_gpa, false, false);
    expect(tables, abi::grant_table_gpa, true, false);
    expect(tables, abi::grant_table_end - 1, true, false);
    expect(tables, abi::event_page_gpa, true, false);
    expect(tables, abi::control_gpa + 0x1fff, true, false);
    expect(tables, abi::ram_gpa, true, true);
    expect(tables, 4 * mib - 1, true, true);
}

TEST(KvmPageTables, MapNothingElse) {
    const Tables tables(4 * mib);
    for (const std::uint64_t hole :
         {std::uint64_t{0}, std::uint64_t{0xffff}, abi::control_gpa + 0x2000, abi::read_only_end,
          abi::grant_table_gpa - 1, abi::grant_table_end, abi::ram_gpa - 1, 4 * mib, 4 * mib + 0x3fff,
          std::uint64_t{0xdead0000}, std::uint64_t{0xfee00000}, std::uint64_t{1} << 30, std::uint64_t{1} << 39,
          0xffff800000100000, 0xfffffffffffff000}) {
        EXPECT_FALSE(tables.walk(hole)) << std::hex << hole;
    }
}

TEST(KvmPageTables, CoverEveryPageOfAnySize) {
    for (const std::uint64_t memory :
         {2 * mib, 2 * mib + 0x1000, 3 * mib, 5 * mib - 0x1000, 1024 * mib, 1026 * mib + 0x3000, 3000 * mib}) {
        const Tables tables(memory);
        for (std::uint64_t at = abi::ram_gpa; at < memory; at += at < 4 * mib || at + mib > memory ? 0x1000 : mib / 2) {
            expect(tables, at, true, true);
        }
        EXPECT_FALSE(tables.walk(memory)) << memory;
        EXPECT_FALSE(tables.walk(memory + page_table_size(memory) - 1)) << memory;
    }
}

TEST(KvmStub, AllowsItsPortsOnly) {
    const auto* task = chaos_kvm_stub_task;
    std::uint16_t bitmap = 0;
    std::memcpy(&bitmap, task + 102, sizeof bitmap);
    for (unsigned port = 0; port < (stub_task_size() - bitmap) * 8; ++port) {
        const bool denied = (static_cast<unsigned>(task[bitmap + port / 8]) >> port % 8 & 1) != 0;
        EXPECT_EQ(denied, port < abi::port_doorbell || port >= abi::port_end) << port;
    }
    EXPECT_LE(stub_bytes().size(), 4096U);
}

TEST(KvmTimeScale, IsExactToAPartInABillion) {
    for (const std::uint32_t khz : {1U, 999U, 1'000'000U, 1'000'001U, 2'599'999U, 2'600'000U, 4'294'967'295U}) {
        const auto [mul, shift] = time_scale(khz);
        const double ns = (shift >= 0 ? 1e9 * (1ULL << shift) : 1e9 / (1ULL << -shift)) * mul / 4294967296.0;
        EXPECT_NEAR(ns, 1e15 / khz, 1e15 / khz * 1e-9) << khz;
        EXPECT_GE(mul, 1U << 31) << khz;
    }
}

}  // namespace
}  // namespace hypervisor::kvm
