// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/hvm_start_info.hpp"
#include "base/ids.hpp"
#include "hypervisor/xen/xen_abi.hpp"

namespace hypervisor::xen {

/// Pages to ask Xen for in one call: extents of 2^order pages.
struct Extents {
    unsigned order{0};
    std::vector<std::uint64_t> first;  ///< first frame of each
};

/// The pages of a native guest: those of xen_abi.hpp below 1 MiB, one by one, and RAM from 1 MiB on in the largest
/// extents that fit (2 MiB at most; one of 1 MiB where RAM begins). Nothing where shared info and grant table go.
std::vector<Extents> plan_memory(base::Bytes memory, unsigned control_pages);

/// How many pages that is.
std::uint64_t pages_of(const std::vector<Extents>& plan);

/// RAM as the guest is told of it.
struct RamMap {
    base::HvmMemmapEntry entries[3];
    std::size_t count{0};
};
RamMap ram_map(base::Bytes memory);

/// Where RAM below 4 GiB ends.
constexpr std::uint64_t low_ram_end(base::Bytes memory) {
    return memory.value < abi::low_ram_end ? memory.value : abi::low_ram_end;
}

/// Whether [gpa, gpa + size) lies in one piece of what the plan fills.
bool is_backed(std::uint64_t gpa, std::uint64_t size, base::Bytes memory, unsigned control_pages);

}  // namespace hypervisor::xen
