// SPDX-License-Identifier: Apache-2.0
// The page of the driver's in a guest (stub.S), as chaos-hv's data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "hypervisor/kvm/hv/stub_constants.h"
#include "hypervisor/kvm/kvm_abi.hpp"

extern "C" {
extern const std::byte chaos_kvm_stub[];
extern const std::byte chaos_kvm_stub_vcpu[];
extern const std::byte chaos_kvm_stub_task[];
extern const std::byte chaos_kvm_stub_end[];
}

namespace hypervisor::kvm {

static_assert(STUB_START_INFO == abi::start_info_gpa && STUB_DEVICE_PAGE == abi::device_page_gpa);
static_assert(STUB_GRANT_TABLE == abi::grant_table_gpa && STUB_EVENT_PAGE == abi::event_page_gpa);
static_assert(STUB_WARM_STACK == abi::warm_stack_gpa && STUB_WARM_IMAGE == abi::warm_image_gpa);
static_assert(STUB_WARM_END == abi::warm_image_end && STUB_MACHINE_PAGE == abi::machine_page_gpa);
static_assert(STUB_EV_ENTRY == offsetof(abi::EventPage, entry));
static_assert(STUB_EV_START_INFO == offsetof(abi::EventPage, start_info));
static_assert(STUB_MP_TIMESTAMP == offsetof(base::VcpuTimeInfo, tsc_timestamp) &&
              STUB_MP_VCPUS == offsetof(abi::MachinePage, vcpus));
static_assert(STUB_VCPU_SIZE == sizeof(abi::VcpuStart) && STUB_VCPU_STACK == offsetof(abi::VcpuStart, stack));
static_assert(STUB_VCPU_ARGUMENT == offsetof(abi::VcpuStart, argument) && STUB_PLATFORM_ID == abi::platform_id);
static_assert(STUB_PORT_FIRST == abi::port_doorbell && STUB_PORT_PARK == abi::port_park);
static_assert(STUB_PORT_END == abi::port_end);

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
