// SPDX-License-Identifier: Apache-2.0
// A domain that runs on page tables which Xen checks (xen.h: "start_info"). All of its memory is mapped from address 0.
#include "environment.hpp"

namespace foreign {

namespace {

constexpr unsigned long present_writable_accessed_dirty = 0x63;

alignas(4096) char shared_info_page[4096];

/// A page of this domain by its number in the machine.
template <class T>
T* at_frame(unsigned long mfn) {
    const auto* to_physical = reinterpret_cast<const unsigned long*>(MACH2PHYS_VIRT_START);
    return reinterpret_cast<T*>(to_physical[mfn] << 12);
}

unsigned long* map_shared_info(unsigned long machine_address) {
    hypercall<__HYPERVISOR_update_va_mapping>(reinterpret_cast<unsigned long>(shared_info_page),
                                              machine_address | present_writable_accessed_dirty, UVMF_INVLPG);
    return reinterpret_cast<shared_info*>(shared_info_page)->evtchn_pending;
}

}  // namespace

Environment discover(unsigned long start_info_address) {
    const auto& start = *reinterpret_cast<const start_info*>(start_info_address);
    Environment found{};
    found.kind = "pv64";
    found.command_line = reinterpret_cast<const char*>(start.cmd_line);
    found.memory_kib = start.nr_pages * 4;
    found.console_port = start.console.domU.evtchn;
    if (found.console_port != 0) {
        found.console = at_frame<xencons_interface>(start.console.domU.mfn);
    }
    found.xenstore = start.store_evtchn != 0;
    found.pending = map_shared_info(start.shared_info);
    return found;
}

}  // namespace foreign
