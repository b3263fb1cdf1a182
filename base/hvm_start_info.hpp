// SPDX-License-Identifier: Apache-2.0
// Xen's boot information for PVH guests, used on every driver (Xen, public/arch-x86/hvm/start_info.h, version 1).
// Freestanding, self-contained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace base {

inline constexpr std::uint32_t hvm_start_magic = 0x336ec578;  // XEN_HVM_START_MAGIC_VALUE

struct HvmStartInfo {
    std::uint32_t magic;           //  0
    std::uint32_t version;         //  4  1: has the memory map
    std::uint32_t flags;           //  8
    std::uint32_t nr_modules;      // 12
    std::uint64_t modlist_paddr;   // 16  HvmModule[nr_modules]
    std::uint64_t cmdline_paddr;   // 24  0 or a string that ends in NUL
    std::uint64_t rsdp_paddr;      // 32
    std::uint64_t memmap_paddr;    // 40  HvmMemmapEntry[memmap_entries]
    std::uint32_t memmap_entries;  // 48
    std::uint32_t reserved;        // 52
};
static_assert(sizeof(HvmStartInfo) == 56 && offsetof(HvmStartInfo, memmap_paddr) == 40);
static_assert(std::has_unique_object_representations_v<HvmStartInfo>);

struct HvmModule {
    std::uint64_t paddr;          //  0
    std::uint64_t size;           //  8
    std::uint64_t cmdline_paddr;  // 16  0 or a string; "noxs": the module is the device page
    std::uint64_t reserved;       // 24
};
static_assert(sizeof(HvmModule) == 32);

inline constexpr std::uint32_t memmap_ram = 1;       // XEN_HVM_MEMMAP_TYPE_RAM
inline constexpr std::uint32_t memmap_reserved = 2;  // XEN_HVM_MEMMAP_TYPE_RESERVED

struct HvmMemmapEntry {
    std::uint64_t addr;      //  0
    std::uint64_t size;      //  8
    std::uint32_t type;      // 16
    std::uint32_t reserved;  // 20
};
static_assert(sizeof(HvmMemmapEntry) == 24);

/// The command line of the module that describes the noxs device page.
inline constexpr char noxs_module_cmdline[] = "noxs";

/// Grant table version 1 (Xen, public/grant_table.h: grant_entry_v1).
struct GrantEntryV1 {
    std::uint16_t flags;  // 0  grant_permit_access | grant_readonly ...
    std::uint16_t domid;  // 2  who may map it
    std::uint32_t frame;  // 4  gfn
};
static_assert(sizeof(GrantEntryV1) == 8);
inline constexpr std::uint16_t grant_type_mask = 3;         // GTF_type_mask
inline constexpr std::uint16_t grant_permit_access = 1;     // GTF_permit_access
inline constexpr std::uint16_t grant_readonly = 4;          // GTF_readonly
inline constexpr std::uint32_t grant_reserved_entries = 8;  // GNTTAB_NR_RESERVED_ENTRIES

}  // namespace base
