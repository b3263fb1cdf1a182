// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/memory_plan.hpp"

#include <algorithm>

namespace hypervisor::xen {

namespace {

constexpr unsigned order_2m = 9;
constexpr std::uint64_t fixed_low_pages = (abi::control_gpa - abi::boot_page_gpa) / base::page_size;

struct Range {
    std::uint64_t begin;  // frames
    std::uint64_t end;
};

std::vector<Range> ram_ranges(base::Bytes memory) {
    std::vector<Range> ranges{{base::gfn_of(abi::ram_gpa).value, base::gfn_of(low_ram_end(memory)).value}};
    if (memory.value > abi::low_ram_end) {
        const auto first = base::gfn_of(abi::high_ram_gpa).value;
        ranges.push_back({first, first + base::gfn_of(memory.value - abi::low_ram_end).value});
    }
    return ranges;
}

/// Frames [begin, end) as extents of one order each, without crossing a boundary of that order.
void cover(const Range& range, std::vector<Extents>& plan) {
    std::uint64_t at = range.begin;
    while (at < range.end) {
        unsigned order = order_2m;
        while (order > 0 && (at % (1ULL << order) != 0 || (1ULL << order) > range.end - at)) {
            --order;
        }
        if (plan.empty() || plan.back().order != order) {
            plan.push_back({order, {}});
        }
        plan.back().first.push_back(at);
        at += 1ULL << order;
    }
}

}  // namespace

std::vector<Extents> plan_memory(base::Bytes memory, unsigned control_pages) {
    std::vector<Extents> plan{{0, {}}};
    const auto first = base::gfn_of(abi::boot_page_gpa).value;
    for (std::uint64_t i = 0; i < fixed_low_pages + control_pages; ++i) {
        plan.front().first.push_back(first + i);
    }
    for (const auto& range : ram_ranges(memory)) {
        cover(range, plan);
    }
    return plan;
}

std::uint64_t pages_of(const std::vector<Extents>& plan) {
    std::uint64_t pages = 0;
    for (const auto& extents : plan) {
        pages += extents.first.size() << extents.order;
    }
    return pages;
}

RamMap ram_map(base::Bytes memory) {
    RamMap map;
    map.entries[map.count++] = {abi::boot_page_gpa, abi::low_end_gpa - abi::boot_page_gpa, base::memmap_reserved, 0};
    map.entries[map.count++] = {abi::ram_gpa, low_ram_end(memory) - abi::ram_gpa, base::memmap_ram, 0};
    if (memory.value > abi::low_ram_end) {
        map.entries[map.count++] = {abi::high_ram_gpa, memory.value - abi::low_ram_end, base::memmap_ram, 0};
    }
    return map;
}

bool is_backed(std::uint64_t gpa, std::uint64_t size, base::Bytes memory, unsigned control_pages) {
    const auto inside = [gpa, size](std::uint64_t begin, std::uint64_t end) {
        return gpa >= begin && gpa <= end && size <= end - gpa;
    };
    if (inside(abi::boot_page_gpa, abi::control_gpa + control_pages * base::page_size)) {
        return true;
    }
    return std::ranges::any_of(ram_ranges(memory), [&](const Range& range) {
        return inside(base::gpa_of(base::Gfn{range.begin}), base::gpa_of(base::Gfn{range.end}));
    });
}

}  // namespace hypervisor::xen
