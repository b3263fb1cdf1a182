// SPDX-License-Identifier: Apache-2.0
// What of the xen driver can be tested without Xen: how memory is laid out, what a domain is remembered by, how its
// first vCPU begins. The rest is tested in real Xen, by tests/xen.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "hypervisor/xen/acpi_tables.hpp"
#include "hypervisor/xen/boot_state.hpp"
#include "hypervisor/xen/domain_tag.hpp"
#include "hypervisor/xen/memory_plan.hpp"
#include "hypervisor/xen/shell_builder.hpp"
#include "hypervisor/xen/xen.hpp"
#include "hypervisor/xen/xen_lane.hpp"

namespace hypervisor::xen {
namespace {

using base::mib;

constexpr std::uint64_t mib_pages = (1 << 20) / base::page_size;

/// Every frame of the plan, each exactly once.
std::set<std::uint64_t> frames_of(const std::vector<Extents>& plan) {
    std::set<std::uint64_t> frames;
    for (const auto& extents : plan) {
        for (const auto first : extents.first) {
            EXPECT_EQ(first % (1ULL << extents.order), 0U);
            for (std::uint64_t i = 0; i < 1ULL << extents.order; ++i) {
                EXPECT_TRUE(frames.insert(first + i).second) << "frame " << first + i << " twice";
            }
        }
    }
    return frames;
}

TEST(XenMemoryPlan, CoversLowPagesAndRamAndNothingElse) {
    const auto plan = plan_memory(mib(4), 2);
    const auto frames = frames_of(plan);
    EXPECT_EQ(frames.size(), 3 + 2 + 3 * mib_pages);
    EXPECT_EQ(pages_of(plan), frames.size());
    EXPECT_EQ(*frames.begin(), abi::boot_page_gpa / base::page_size);
    EXPECT_FALSE(frames.contains(abi::shared_info_gpa / base::page_size));
    EXPECT_FALSE(frames.contains(abi::grant_table_gpa / base::page_size));
    EXPECT_EQ(*frames.rbegin(), 4 * mib_pages - 1);
}

TEST(XenMemoryPlan, UsesLargeExtents) {
    std::size_t calls = 0;
    std::size_t small = 0;
    for (const auto& extents : plan_memory(mib(64), 2)) {
        ++calls;
        small += extents.order == 0 ? extents.first.size() : 0;
    }
    EXPECT_EQ(calls, 3U);  // low pages, one extent of 1 MiB, 31 of 2 MiB
    EXPECT_EQ(small, 5U);
}

TEST(XenMemoryPlan, TakesOddSizes) {
    const base::Bytes odd{(2 << 20) + 3 * base::page_size};
    EXPECT_EQ(frames_of(plan_memory(odd, 1)).size(), 4 + mib_pages + 3);
}

TEST(XenMemoryPlan, ContinuesAboveFourGib) {
    const base::Bytes memory{abi::low_ram_end + (8 << 20)};
    const auto plan = plan_memory(memory, 2);
    EXPECT_EQ(plan.back().first.back() + (1ULL << plan.back().order),
              (abi::high_ram_gpa + (8 << 20)) / base::page_size);
    EXPECT_EQ(pages_of(plan), 3 + 2 + (memory.value - abi::ram_gpa) / base::page_size);
}

TEST(XenMemoryPlan, FitsTheMostControlPagesBelowSharedInfo) {
    const auto frames = frames_of(plan_memory(mib(2), max_control_pages));
    EXPECT_TRUE(frames.contains(abi::shared_info_gpa / base::page_size - 1));
    EXPECT_FALSE(frames.contains(abi::shared_info_gpa / base::page_size));
}

TEST(XenMemoryPlan, TellsTheGuestOfItsRamOnly) {
    const auto small = ram_map(mib(4));
    ASSERT_EQ(small.count, 2U);
    EXPECT_EQ(small.entries[0].type, base::memmap_reserved);
    EXPECT_EQ(small.entries[1].addr, abi::ram_gpa);
    EXPECT_EQ(small.entries[1].size, (3 << 20));
    const auto large = ram_map(base::Bytes{abi::low_ram_end + (1 << 20)});
    ASSERT_EQ(large.count, 3U);
    EXPECT_EQ(large.entries[2].addr, abi::high_ram_gpa);
    EXPECT_EQ(large.entries[2].size, 1U << 20);
}

TEST(XenMemoryPlan, KnowsWhatIsBacked) {
    EXPECT_TRUE(is_backed(abi::boot_page_gpa, base::page_size, mib(4), 2));
    EXPECT_TRUE(is_backed(abi::control_gpa, 2 * base::page_size, mib(4), 2));
    EXPECT_FALSE(is_backed(abi::control_gpa, 3 * base::page_size, mib(4), 2));
    EXPECT_FALSE(is_backed(0, base::page_size, mib(4), 2));
    EXPECT_FALSE(is_backed(abi::grant_table_gpa, base::page_size, mib(4), 2));
    EXPECT_TRUE(is_backed(abi::ram_gpa, 3 << 20, mib(4), 2));
    EXPECT_FALSE(is_backed(abi::ram_gpa, (3 << 20) + 1, mib(4), 2));
    EXPECT_FALSE(is_backed(abi::ram_gpa, ~0ULL, mib(4), 2));
    EXPECT_FALSE(is_backed(~0ULL, 2, mib(4), 2));
    EXPECT_FALSE(is_backed(abi::high_ram_gpa, 1, mib(4), 2));
}

TEST(XenLane, TellsTheKernelWhichEndIsTheGuests) {
    std::byte local[8];
    const GrantCopy piece{base::GrantRef{600}, 100, 8, local};
    const auto in = copy_segment(base::DomId{7}, piece, CopyDirection::from_guest);
    EXPECT_EQ(in.flags, 1);  // GNTCOPY_source_gref
    EXPECT_EQ(in.source.foreign.ref, 600U);
    EXPECT_EQ(in.source.foreign.offset, 100);
    EXPECT_EQ(in.source.foreign.domid, 7);
    EXPECT_EQ(in.dest.virt, local);
    EXPECT_EQ(in.len, 8);
    const auto out = copy_segment(base::DomId{7}, piece, CopyDirection::to_guest);
    EXPECT_EQ(out.flags, 2);  // GNTCOPY_dest_gref
    EXPECT_EQ(out.dest.foreign.ref, 600U);
    EXPECT_EQ(out.source.virt, local);
}

TEST(XenDomainTag, RoundTrips) {
    DomainHandle handle;
    for (const auto& tag : {DomainTag{GuestKind::native, 2, 1024, 0xdeadbeef, false},
                            DomainTag{GuestKind::pvh, 0, 65536, 1, true}, DomainTag{GuestKind::pv, 0, 1, 0, true}}) {
        encode(tag, handle);
        EXPECT_EQ(decode(handle), tag);
    }
}

TEST(XenDomainTag, LeavesDomainsOfOthersAlone) {
    const DomainHandle zero{};
    EXPECT_FALSE(decode(zero));
    DomainHandle handle;
    encode({}, handle);
    handle[4] ^= 1;  // another version
    EXPECT_FALSE(decode(handle));
    encode({}, handle);
    handle[5] = 3;  // a kind that there is not
    EXPECT_FALSE(decode(handle));
    encode({}, handle);
    handle[6] = 255;  // more control pages than fit
    EXPECT_FALSE(decode(handle));
}

TEST(XenDomainTag, TellsDaemonsApart) {
    EXPECT_NE(instance_of("/run/chaos"), instance_of("/run/chaos2"));
    EXPECT_EQ(instance_of("/run/chaos"), instance_of("/run/chaos"));
}

TEST(XenBootState, TrampolineLoadsStartInfoAndJumpsToEntry) {
    const auto page = boot_page();
    const std::array<std::uint8_t, 11> code{0xbb, 0x00, 0x20, 0,    0,      // mov ebx, 0x2000
                                            0xff, 0x25, 0x48, 0x10, 0, 0};  // jmp [0x1048]
    EXPECT_TRUE(std::ranges::equal(code, std::span(page.trampoline).first(code.size())));
    EXPECT_EQ(page.magic, abi::boot_magic);
    EXPECT_EQ(page.loaded, 0U);
}

TEST(XenBootState, BeginsInFlatProtectedMode) {
    HvmHeader header{};
    header.magic = HVM_FILE_MAGIC;
    const auto context = boot_context(header);
    EXPECT_EQ(context.header.magic, static_cast<std::uint32_t>(HVM_FILE_MAGIC));
    EXPECT_EQ(context.header_descriptor.length, sizeof(HvmHeader));
    EXPECT_EQ(context.cpu_descriptor.typecode, HVM_SAVE_CODE(CPU));
    EXPECT_EQ(context.cpu_descriptor.length, sizeof(HvmCpu));
    EXPECT_EQ(context.end_descriptor.typecode, 0U);
    EXPECT_EQ(context.cpu.cr0 & 0x80000001, 1U);  // protection on, paging off
    EXPECT_EQ(context.cpu.rflags & 0x200, 0U);    // interrupts off
    EXPECT_EQ(context.cpu.cs_limit, 0xffffffffU);
    EXPECT_EQ(context.cpu.rip, abi::boot_page_gpa);
    const auto* begin = reinterpret_cast<const std::byte*>(&context);
    EXPECT_EQ(reinterpret_cast<const std::byte*>(&context.cpu_descriptor) - begin,
              static_cast<std::ptrdiff_t>(sizeof(hvm_save_descriptor) + sizeof(HvmHeader)));
}

std::uint8_t sum_of(std::span<const std::byte> bytes) {
    unsigned sum = 0;
    for (const auto byte : bytes) {
        sum += static_cast<unsigned>(byte);
    }
    return static_cast<std::uint8_t>(sum);
}

template <class T>
T read_at(std::span<const std::byte> bytes, std::size_t offset) {
    T value{};
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

/// The table at guest-physical `gpa` of tables made for 0x1000, after its signature and checksum were looked at.
std::span<const std::byte> table_at(std::span<const std::byte> all, std::uint64_t gpa, std::string_view signature) {
    const auto table = all.subspan(gpa - 0x1000, read_at<std::uint32_t>(all, gpa - 0x1000 + 4));
    EXPECT_EQ(std::memcmp(table.data(), signature.data(), 4), 0) << signature;
    EXPECT_EQ(sum_of(table), 0) << signature;
    return table;
}

TEST(XenAcpiTables, LeadFromTheRootToEachVcpu) {
    const auto bytes = acpi_tables(0x1000, 3);
    const std::span<const std::byte> all(bytes);
    ASSERT_EQ(std::memcmp(all.data(), "RSD PTR ", 8), 0);
    EXPECT_EQ(sum_of(all.first(20)), 0);
    EXPECT_EQ(sum_of(all.first(36)), 0);
    const auto xsdt = table_at(all, read_at<std::uint64_t>(all, 24), "XSDT");
    const auto fadt = table_at(all, read_at<std::uint64_t>(xsdt, 36), "FACP");
    table_at(all, read_at<std::uint64_t>(fadt, 140), "DSDT");
    EXPECT_NE(read_at<std::uint32_t>(fadt, 112) & (1U << 20), 0U) << "hardware-reduced";
    const auto madt = table_at(all, read_at<std::uint64_t>(xsdt, 44), "APIC");
    ASSERT_EQ(madt.size(), 44U + 3 * 8);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(read_at<std::uint8_t>(madt, 44 + i * 8 + 3), 2 * i) << "Xen's id for vCPU " << i;
    }
}

TEST(XenAcpiTables, FitOnePageWithTheMostVcpus) {
    EXPECT_LE(acpi_tables(0x1000, max_acpi_vcpus).size(), base::page_size);
}

TEST(XenErrors, SayHowMuchMemoryIsMissing) {
    const auto error = shortage("creating a domain", 4496, 1000);
    EXPECT_EQ(error.code, base::Code::no_memory);
    EXPECT_NE(error.message.find("3496 KiB are missing"), std::string::npos) << error.message;
}

TEST(XenErrors, TellNoMemoryFromNoDomainId) {
    const auto error = shortage("creating a domain", 4496, 1'000'000);
    EXPECT_EQ(error.code, base::Code::limit_reached);
    EXPECT_NE(error.message.find("no domain id"), std::string::npos) << error.message;
}

TEST(XenErrors, KnowAnotherControlInterface) {
    EXPECT_EQ(xen_error(EACCES, "x").code, base::Code::version_mismatch);
    EXPECT_EQ(xen_error(EPERM, "x").code, base::Code::permission_denied);
}

TEST(XenErrors, KeepWhatTheLibrariesSay) {
    clear_library_message();
    xtl_log(library_logger(), XTL_DEBUG, -1, "xc", "chatter");
    xtl_log(library_logger(), XTL_ERROR, -1, "xc", "no %s", "loader");
    xtl_log(library_logger(), XTL_ERROR, -1, "xc", "second");
    EXPECT_EQ(library_message(), "no loader; second");
    clear_library_message();
    EXPECT_EQ(library_message(), "");
}

TEST(XenDriver, SaysWhatIsMissingWithoutXen) {
    const auto opened = open_driver({.runtime_dir = "/tmp", .helper_dir = {}});
    if (opened) {
        GTEST_SKIP() << "this machine is a dom0";
    }
    EXPECT_EQ(opened.error().code, base::Code::unavailable);
    EXPECT_NE(opened.error().message.find("Xen"), std::string::npos);
}

}  // namespace
}  // namespace hypervisor::xen
