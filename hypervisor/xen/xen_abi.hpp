// SPDX-License-Identifier: Apache-2.0
// What a guest of the xen driver finds below 1 MiB, beyond what Xen itself promises a PVH guest. Self-contained and
// freestanding: the driver and guest-shims/platform/xen include it.
//
//   0x001000  boot page      BootPage below
//   0x002000  start info     hvm_start_info, memory map, modules, command line
//   0x003000  device page    noxs
//   0x004000  control pages  noxs, up to 104
//   0x06c000  shared info    Xen's shared_info (XENMAPSPACE_shared_info)
//   0x06d000  grant table    version 1, frame 0 (XENMAPSPACE_grant_table); frames 1 to 7 where a guest asks Xen for them
//   0x075000  (nothing up to 1 MiB)
//   0x100000  RAM            up to the domain's memory size; from 3 GiB on it continues at 4 GiB
//
// The driver puts shared info and grant table there before the guest runs, so that booting costs no hypercall for them.
// A guest that was started by something else (no magic in the boot page) maps them itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hypervisor::xen::abi {

inline constexpr std::uint64_t boot_page_gpa = 0x1000;
inline constexpr std::uint64_t start_info_gpa = 0x2000;
inline constexpr std::uint64_t device_page_gpa = 0x3000;
inline constexpr std::uint64_t control_gpa = 0x4000;
inline constexpr std::uint64_t shared_info_gpa = 0x6c000;
inline constexpr std::uint64_t grant_table_gpa = 0x6d000;
inline constexpr std::uint64_t low_end_gpa = 0x75000;
inline constexpr std::uint64_t ram_gpa = 0x100000;
inline constexpr std::uint64_t low_ram_end = 3ULL << 30;   ///< RAM below 4 GiB ends here at the latest
inline constexpr std::uint64_t high_ram_gpa = 4ULL << 30;  ///< and goes on here
/// What our guests' page tables reach: 512 GiB (guest-shims/platform/xen), less the hole below 4 GiB.
inline constexpr std::uint64_t max_native_memory = 511ULL << 30;

inline constexpr unsigned grant_frames = (low_end_gpa - grant_table_gpa) / 0x1000;
inline constexpr unsigned entries_of_grant_frame = 512;
inline constexpr unsigned max_ports = 128;  ///< ports 1 .. 127

inline constexpr std::uint64_t boot_magic = 0x316e65782d786f6e;  // "nox-xen1", little endian

/// Begins with the first instructions of the domain, which are independent of its image: the vCPU's registers are set
/// when a shell is prepared, and launching only writes `entry`.
struct BootPage {
    std::uint8_t trampoline[64];  //  0  32-bit code: start info into ebx, jump to `entry`
    std::uint64_t magic;          // 64  boot_magic
    std::uint32_t entry;          // 72  PVH entry of the image
    std::uint32_t loaded;         // 76  1: image and boot information are in. Believed only while the guest has not run
    std::int32_t exit_code;       // 80  guest, before SCHEDOP_shutdown(poweroff)
    std::uint32_t reserved;       // 84
};
static_assert(sizeof(BootPage) == 88 && offsetof(BootPage, magic) == 64 && offsetof(BootPage, entry) == 72);
static_assert(offsetof(BootPage, exit_code) == 80 && std::has_unique_object_representations_v<BootPage>);

}  // namespace hypervisor::xen::abi
