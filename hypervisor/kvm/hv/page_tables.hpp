// SPDX-License-Identifier: Apache-2.0
// The page tables of a guest of the kvm driver: address = guest-physical address, every page open to privilege level 3
// with the rights of kvm_abi.hpp, and nothing else. They lie behind RAM and are not in their own map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ids.hpp"

namespace hypervisor::kvm {

/// Bytes of the tables of a guest with `memory` bytes. Their root lies at guest-physical `memory`.
std::uint64_t page_table_size(std::uint64_t memory);

/// Where in the memory file of a domain, behind its page tables, the page with MonitorState lies.
inline std::uint64_t state_offset(std::uint64_t memory) {
    return memory + page_table_size(memory);
}

/// Fills `tables`, which lies at guest-physical `memory`, is zero and page_table_size(memory) long.
void write_page_tables(std::span<std::byte> tables, std::uint64_t memory, std::uint32_t control_pages);

}  // namespace hypervisor::kvm
