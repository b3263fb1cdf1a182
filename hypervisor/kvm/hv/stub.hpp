// SPDX-License-Identifier: Apache-2.0
// The page of the driver's in a guest (stub.S), as chaos-hv's data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" {
extern const std::byte chaos_kvm_stub[];
extern const std::byte chaos_kvm_stub_vcpu[];
extern const std::byte chaos_kvm_stub_task[];
extern const std::byte chaos_kvm_stub_end[];
}

namespace hypervisor::kvm {

inline std::span<const std::byte> stub_bytes() {
    return {chaos_kvm_stub, chaos_kvm_stub_end};
}
/// Where vCPUs other than the first begin.
inline std::uint64_t stub_vcpu_offset() {
    return static_cast<std::uint64_t>(chaos_kvm_stub_vcpu - chaos_kvm_stub);
}
/// The task state segment, with its port bitmap.
inline std::uint64_t stub_task_offset() {
    return static_cast<std::uint64_t>(chaos_kvm_stub_task - chaos_kvm_stub);
}
inline std::uint64_t stub_task_size() {
    return static_cast<std::uint64_t>(chaos_kvm_stub_end - chaos_kvm_stub_task);
}

}  // namespace hypervisor::kvm
