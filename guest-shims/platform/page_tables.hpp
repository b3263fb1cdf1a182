// SPDX-License-Identifier: Apache-2.0
// What the platforms with a PVH entry add to the page tables of pvh_entry.S.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/hvm_start_info.hpp"
#include "base/ids.hpp"

namespace guest {

inline constexpr std::uint64_t mapped_at_entry = 1ULL << 30;  // pvh_entry.S
inline constexpr std::uint64_t pdpt_reach = 512ULL << 30;
inline constexpr std::uint64_t large_page = 2ULL << 20;
inline constexpr std::uint64_t pte_table = 0x3;   // present, writable
inline constexpr std::uint64_t pte_large = 0x83;  // present, writable, page size

/// Maps the RAM of `map` beyond what the entry code mapped, one to one in 2 MiB pages. The page tables, 4 KiB for each
/// GiB, are made of the memory from `free` up, which is zero; returns the end of that.
inline std::uint64_t map_ram(std::span<std::uint64_t, 512> pdpt, std::span<const base::HvmMemmapEntry> map,
                             std::uint64_t free) {
    for (const auto& entry : map) {
        if (entry.type != base::memmap_ram) {
            continue;
        }
        const std::uint64_t end = std::min(entry.addr + entry.size, pdpt_reach);
        for (std::uint64_t at = std::max(entry.addr, mapped_at_entry) & -large_page; at < end; at += large_page) {
            auto& table = pdpt[at >> 30];
            if (table == 0) {
                table = free | pte_table;
                free += base::page_size;
            }
            reinterpret_cast<std::uint64_t*>(table - pte_table)[at >> 21 & 511] = at | pte_large;
        }
    }
    return free;
}

}  // namespace guest
