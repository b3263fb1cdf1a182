// SPDX-License-Identifier: Apache-2.0
// A domain with a physical memory of its own, which the entry has mapped one to one (xen/arch-x86/hvm/start_info.h).
#include "environment.hpp"

#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>

namespace foreign {

namespace {

alignas(4096) char shared_info_page[4096];

template <class T>
T* at(uint64_t gpa) {
    return reinterpret_cast<T*>(static_cast<unsigned long>(gpa));
}

void cpuid(uint32_t leaf, uint32_t& eax, uint32_t& ebx) {
    uint32_t ecx = 0;
    uint32_t edx;
    asm volatile("cpuid" : "=a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx) : "a"(leaf));
}

void find_hypercalls() {
    uint32_t pages;
    uint32_t msr;
    cpuid(XEN_CPUID_LEAF(2), pages, msr);
    const auto page = reinterpret_cast<unsigned long>(hypercall_page);
    asm volatile("wrmsr" : : "c"(msr), "a"(static_cast<uint32_t>(page)), "d"(0) : "memory");
}

uint64_t parameter(uint32_t index) {
    xen_hvm_param get{DOMID_SELF, 0, index, 0};
    return hypercall<__HYPERVISOR_hvm_op>(HVMOP_get_param, &get) == 0 ? get.value : 0;
}

/// Where `pending` is: in the same place of both layouts, 32-bit and 64-bit.
unsigned long* map_shared_info() {
    xen_add_to_physmap place{};
    place.domid = DOMID_SELF;
    place.space = XENMAPSPACE_shared_info;
    place.gpfn = reinterpret_cast<unsigned long>(shared_info_page) >> 12;
    hypercall<__HYPERVISOR_memory_op>(XENMEM_add_to_physmap, &place);
    return reinterpret_cast<shared_info*>(shared_info_page)->evtchn_pending;
}

uint64_t ram_kib(const hvm_start_info& start) {
    const auto* map = at<hvm_memmap_table_entry>(start.memmap_paddr);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < start.memmap_entries; ++i) {
        bytes += map[i].type == XEN_HVM_MEMMAP_TYPE_RAM ? map[i].size : 0;
    }
    return bytes >> 10;
}

}  // namespace

Environment discover(unsigned long start_info) {
    const auto& start = *at<hvm_start_info>(start_info);
    find_hypercalls();
    Environment found{};
    found.kind = sizeof(long) == 8 ? "pvh64" : "pvh32";
    found.command_line = start.cmdline_paddr != 0 ? at<char>(start.cmdline_paddr) : "";
    found.memory_kib = ram_kib(start);
    found.console_port = static_cast<evtchn_port_t>(parameter(HVM_PARAM_CONSOLE_EVTCHN));
    if (found.console_port != 0) {
        found.console = at<xencons_interface>(parameter(HVM_PARAM_CONSOLE_PFN) << 12);
    }
    found.xenstore = parameter(HVM_PARAM_STORE_PFN) != 0 || parameter(HVM_PARAM_STORE_EVTCHN) != 0;
    found.pending = map_shared_info();
    return found;
}

}  // namespace foreign
