// SPDX-License-Identifier: Apache-2.0
// One virtual machine as KVM knows it: a memory slot and vCPUs in the state that kvm_abi.hpp promises. Belongs to the
// process that makes it; KVM lets no other run it.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "hypervisor/kvm/hv/host.hpp"

namespace hypervisor::kvm {

enum class DirtyLog : std::uint32_t {
    off = 0,
    on = KVM_MEM_LOG_DIRTY_PAGES,
};

class Machine {
 public:
    /// A machine of one memory slot: guest-physical [stub_gpa, end) is `memory`, offset by stub_gpa.
    static base::Result<Machine> create(int kvm_device, std::span<std::byte> memory);

    /// Makes the next vCPU, in 64-bit mode at privilege level 3, about to run `entry` with `rbx`. `page_tables`: their
    /// guest-physical root.
    base::Result<void> add_vcpu(const Host& host, std::uint64_t page_tables, std::uint64_t entry, std::uint64_t rbx);

    /// A guest's write of 32 bits to `port` rings `eventfd`, without leaving the kernel.
    base::Result<void> bind_doorbell(std::uint16_t port, int eventfd) const;

    /// Frequency of the guest's time stamp counter.
    base::Result<std::uint32_t> tsc_khz() const;

    /// Keeps a log of the pages that the guest writes from now on, or stops that: for incremental saves and live
    /// migration. EINVAL where this KVM has no log.
    base::Result<void> log_dirty_pages(DirtyLog log) const;
    /// Takes the log: one bit for each page from stub_gpa on, set where it was written since the log was last taken.
    base::Result<std::vector<std::uint64_t>> take_dirty_pages() const;

    int vcpu(std::size_t index) const { return vcpus_[index].get(); }

 private:
    Machine() = default;
    base::Result<void> move_private_page() const;
    base::Result<void> set_memory(DirtyLog log) const;

    base::Fd vm_;
    std::span<std::byte> memory_;
    std::vector<base::Fd> vcpus_;
};

}  // namespace hypervisor::kvm
