// SPDX-License-Identifier: Apache-2.0
// How the first vCPU of a native guest begins: the same for every image, so that it is set while a shell is prepared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hypervisor/xen/libxen.hpp"
#include "hypervisor/xen/xen_abi.hpp"

extern "C" {
#include <xen/hvm/save.h>
}

namespace hypervisor::xen {

using HvmHeader = HVM_SAVE_TYPE(HEADER);
using HvmCpu = HVM_SAVE_TYPE(CPU);

/// The header that Xen wants at the front of every context of this host. Read once, with the whole context of `domain`.
Result<HvmHeader> read_header(const Toolstack& toolstack, base::DomId domain);

/// A context of one record: vCPU 0 in 32-bit protected mode, paging off, flat segments (Xen, docs/misc/pvh.pandoc), at
/// the trampoline of the boot page.
struct BootContext {
    hvm_save_descriptor header_descriptor;
    HvmHeader header;
    hvm_save_descriptor cpu_descriptor;
    HvmCpu cpu;
    hvm_save_descriptor end_descriptor;
};
BootContext boot_context(const HvmHeader& header);

/// The boot page of a shell.
abi::BootPage boot_page();

}  // namespace hypervisor::xen
