// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/hvm_start_info.hpp"
#include "noxs/wire/device_page.hpp"

namespace guest {

/// The longest command line that is read; what lies beyond is cut off.
inline constexpr std::size_t max_cmdline = 4096;
/// More modules or memory map entries than this make a start info invalid.
inline constexpr std::uint32_t max_boot_entries = 128;

/// A range of addresses, `end` not included.
struct AddressRange {
    std::uint64_t begin{0};
    std::uint64_t end{0};

    constexpr std::uint64_t size() const { return end > begin ? end - begin : 0; }
};

/// What the hypervisor said at entry. Refers to the start info, which stays where it is.
struct BootInfo {
    std::string_view cmdline;
    std::span<const base::HvmModule> modules;
    std::span<const base::HvmMemmapEntry> memory_map;
    const noxs::wire::DevicePage* device_page{nullptr};  ///< null: no module said "noxs"

    /// Bytes of RAM in the memory map.
    std::uint64_t ram_size() const;

    /// The free RAM that begins at `image_end`: up to the end of the RAM that it lies in, or up to the first module
    /// behind it. Empty where there is none.
    AddressRange free_ram(std::uint64_t image_end) const;

    /// The first module that is not a noxs one: the ramdisk. Null: none.
    const base::HvmModule* ramdisk() const;
};

/// Reads Xen's start info. Nothing where it is not one (magic, version 1 or later) or makes no sense.
std::optional<BootInfo> parse_boot_info(const base::HvmStartInfo* info);

}  // namespace guest
