// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hypervisor::xen {

/// Most vCPUs that the tables can list: a local APIC's id has 8 bits, and Xen gives vCPU n the id 2n
/// (xen/arch/x86/hvm/vlapic.c).
inline constexpr unsigned max_acpi_vcpus = 127;

/// The ACPI tables of a PVH guest, RSDP first, as one run of bytes for guest-physical `gpa`: XSDT, a FADT that says that
/// there is no such hardware (ACPI 6.0, 5.2.9: HW_REDUCED_ACPI), an empty DSDT, and a MADT with the local APIC of each
/// vCPU. Without them Linux finds no local APIC and sets up no clock.
std::vector<std::byte> acpi_tables(std::uint64_t gpa, unsigned vcpus);

}  // namespace hypervisor::xen
