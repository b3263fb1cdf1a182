// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/hvm_start_info.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace hypervisor {

/// What goes into the boot information of one guest.
struct StartInfoSpec {
    std::string_view cmdline;
    std::uint64_t device_page_gpa{0};
    std::uint64_t ramdisk_gpa{0};
    std::uint64_t ramdisk_size{0};  ///< 0: none
    std::span<const base::HvmMemmapEntry> memmap;
};

/// Longest command line that fits, NUL not counted.
inline constexpr std::size_t max_cmdline = 3072;

/// Writes hvm_start_info and all it points to into `page`, which the guest sees at `page_gpa`. Returns the bytes used.
/// The ramdisk is module 0 where there is one, the noxs device page the last module. Allocates nothing on success.
base::Result<std::size_t> render_start_info(std::span<std::byte, base::page_size> page, std::uint64_t page_gpa,
                                            const StartInfoSpec& spec);

}  // namespace hypervisor
