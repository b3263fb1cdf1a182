// SPDX-License-Identifier: Apache-2.0
// Steps that a child of chaos-hv takes on its way to being a domain, of whatever kind. Each exits with a report where
// it can't be taken: what is not confined must not run.
#pragma once

#include <cstdint>

#include "hypervisor/process/hv/domain_kind.hpp"

namespace hypervisor::process {

/// Exits, with the error in the report.
[[noreturn]] void give_up(const ChildSpec& spec, const base::Error& error);

/// Gives up, with errno and `step`, unless `ok`.
void require(bool ok, const ChildSpec& spec, const char* step);

/// Ends with chaos-hv, whatever ends it; blocks no signal; gets the domain's name in `ps`.
void belong_to_parent(const ChildSpec& spec);

/// Leaves the descriptor table that it shares with chaos-hv for one of its own: descriptors from 0 up to and with
/// `last`.
void keep_descriptors(const ChildSpec& spec, unsigned last);

/// The same, up to and with the reserved slots; the one for the doorbell of a data lane is moved to `data_doorbell`, if
/// this domain has one, and is free afterwards.
void keep_reserved_descriptors(const ChildSpec& spec, int data_doorbell);

/// No descriptor from `end` up, no process, no locked memory, no message queue.
void lower_limits(const ChildSpec& spec, unsigned end);

/// Maps `size` bytes of `fd` from `offset`, shared, at the free address `at`.
void map_shared(const ChildSpec& spec, std::uint64_t at, std::uint64_t size, int protection, int fd,
                std::uint64_t offset);

/// Touches [from, to) while nobody waits: a page fault costs microseconds, more on a virtual machine. Only a hint:
/// kernels before 5.14 have no MADV_POPULATE_WRITE.
void touch_early(std::uint64_t from, std::uint64_t to, int advice);

/// Goes to `entry`, which unmaps everything from `unmap_from` up: all that was chaos-hv. rdi, rsi: what to unmap.
[[noreturn]] void leave_for(const ChildSpec& spec, std::uint64_t entry, std::uint64_t unmap_from);

}  // namespace hypervisor::process
