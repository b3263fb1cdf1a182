// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/boot_info.hpp"

namespace guest {

namespace {

template <class T>
const T* at(std::uint64_t paddr) {
    return reinterpret_cast<const T*>(paddr);
}

std::string_view bounded_string(std::uint64_t paddr) {
    if (paddr == 0) {
        return {};
    }
    const char* text = at<char>(paddr);
    std::size_t length = 0;
    while (length < max_cmdline && text[length] != '\0') {
        ++length;
    }
    return {text, length};
}

bool is_noxs(const base::HvmModule& module) {
    return bounded_string(module.cmdline_paddr) == base::noxs_module_cmdline;
}

}  // namespace

std::uint64_t BootInfo::ram_size() const {
    std::uint64_t sum = 0;
    for (const auto& entry : memory_map) {
        sum += entry.type == base::memmap_ram ? entry.size : 0;
    }
    return sum;
}

AddressRange BootInfo::free_ram(std::uint64_t image_end) const {
    for (const auto& entry : memory_map) {
        const std::uint64_t end = entry.addr + entry.size;
        if (entry.type != base::memmap_ram || image_end < entry.addr || image_end >= end) {
            continue;
        }
        AddressRange range{image_end, end};
        for (const auto& module : modules) {
            if (module.paddr >= range.begin && module.paddr < range.end) {
                range.end = module.paddr;
            }
        }
        return range;
    }
    return {};
}

const base::HvmModule* BootInfo::ramdisk() const {
    for (const auto& module : modules) {
        if (!is_noxs(module)) {
            return &module;
        }
    }
    return nullptr;
}

std::optional<BootInfo> parse_boot_info(const base::HvmStartInfo* info) {
    if (info == nullptr || info->magic != base::hvm_start_magic || info->version < 1) {
        return std::nullopt;
    }
    if (info->nr_modules > max_boot_entries || info->memmap_entries > max_boot_entries) {
        return std::nullopt;
    }
    if ((info->nr_modules != 0 && info->modlist_paddr == 0) || (info->memmap_entries != 0 && info->memmap_paddr == 0)) {
        return std::nullopt;
    }
    BootInfo boot;
    boot.cmdline = bounded_string(info->cmdline_paddr);
    boot.modules = {at<base::HvmModule>(info->modlist_paddr), info->nr_modules};
    boot.memory_map = {at<base::HvmMemmapEntry>(info->memmap_paddr), info->memmap_entries};
    for (const auto& module : boot.modules) {
        if (is_noxs(module) && module.size >= sizeof(noxs::wire::DevicePage)) {
            boot.device_page = at<noxs::wire::DevicePage>(module.paddr);
            break;
        }
    }
    return boot;
}

}  // namespace guest
