// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/foreign_loader.hpp"

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "hypervisor/xen/acpi_tables.hpp"
#include "hypervisor/xen/shell_builder.hpp"

extern "C" {
#include <xen/hvm/e820.h>
#include <xenguest.h>
}

namespace hypervisor::xen {

namespace {

struct Release {
    void operator()(xc_dom_image* image) const { ::xc_dom_release(image); }
};
using Builder = std::unique_ptr<xc_dom_image, Release>;

// Where the hole below 4 GiB begins: LAPIC, ACPI tables and special pages lie in it (libxl_dom.c: libxl__build_hvm;
// xen/hvm/e820.h, ACPI_INFO_PHYSICAL_ADDRESS).
constexpr std::uint64_t hole_begin = 0xfc000000;
constexpr std::uint64_t acpi_begin = hole_begin;
constexpr std::uint64_t four_gib = 1ULL << 32;
constexpr std::uint64_t special_begin = std::uint64_t{X86_HVM_END_SPECIAL_REGION - X86_HVM_NR_SPECIAL_PAGES}
                                        << base::page_shift;

/// What libxenguest answered, as one of ours: its words are better than its errno.
Result<void> step(int result, std::string_view what) {
    if (result == 0) {
        return {};
    }
    const int err = errno;
    const auto said = library_message();
    const auto code = err == ENOMEM ? base::Code::no_memory : base::Code::invalid_image;
    return base::fail(
        base::Error{code, err, std::string(what) + ": " + (said.empty() ? "Xen's loader refuses" : said)});
}

/// Linux asks for what it does not need; a kernel that needs what this Xen lacks is refused by xc_dom_parse_image.
Result<Builder> open_image(const Toolstack& toolstack, base::DomId domain, const ForeignGuest& guest,
                           const std::string& cmdline) {
    Builder image(::xc_dom_allocate(toolstack.control(), cmdline.c_str(), nullptr));
    if (!image) {
        return base::fail(base::Code::no_memory, "Xen's loader: out of memory");
    }
    const bool pv = guest.image.kind == GuestKind::pv;
    image->container_type = pv ? xc_dom_image::XC_DOM_PV_CONTAINER : xc_dom_image::XC_DOM_HVM_CONTAINER;
    image->max_vcpus = guest.vcpus;
    image->console_evtchn = guest.console.value;
    image->console_domid = base::dom0.value;
    // No XenStore: no event channel, and no grant of its page (xc_dom_gnttab_init skips one to the guest itself).
    image->xenstore_evtchn = 0;
    image->xenstore_domid = domain.value;
    const auto& file = guest.image.bytes;
    BASE_TRY(step(::xc_dom_kernel_mem(image.get(), file.data(), file.size()), "kernel"));
    if (!guest.params.ramdisk.empty()) {
        const auto& ramdisk = guest.params.ramdisk;
        BASE_TRY(step(::xc_dom_module_mem(image.get(), ramdisk.data(), ramdisk.size(), nullptr), "ramdisk"));
    }
    return image;
}

void lay_out_pvh(xc_dom_image& image, base::Bytes memory) {
    image.target_pages = memory.value >> base::page_shift;
    image.mmio_start = hole_begin;
    image.mmio_size = four_gib - hole_begin;
    image.lowmem_end = std::min(memory.value, hole_begin);
    image.highmem_end = memory.value > hole_begin ? four_gib + (memory.value - hole_begin) : 0;
    image.device_model = false;
}

Result<void> tell_memory_map(const Toolstack& toolstack, base::DomId domain, xc_dom_image& image,
                             std::vector<e820entry>& map) {
    const auto& acpi = image.acpi_modules[0];
    const auto acpi_size = (acpi.length + base::page_size - 1) & ~(base::page_size - 1);
    map.push_back({0, image.lowmem_end, E820_RAM});
    map.push_back({acpi.guest_addr_out, acpi_size, E820_ACPI});
    map.push_back({special_begin, std::uint64_t{X86_HVM_NR_SPECIAL_PAGES} << base::page_shift, E820_RESERVED});
    if (image.highmem_end != 0) {
        map.push_back({four_gib, image.highmem_end - four_gib, E820_RAM});
    }
    image.e820 = map.data();
    image.e820_entries = static_cast<unsigned>(map.size());
    return step(::xc_domain_set_memory_map(toolstack.control(), domain.value, map.data(), image.e820_entries),
                "memory map");
}

/// The way the ABI says that there is no XenStore: parameters of 0 (Linux, xenbus_probe.c: xenbus_init).
Result<void> tell_no_xenstore(const Toolstack& toolstack, base::DomId domain) {
    for (const auto parameter : {HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN}) {
        BASE_TRY(step(::xc_hvm_param_set(toolstack.control(), domain.value, static_cast<std::uint32_t>(parameter), 0),
                      "telling the guest that there is no XenStore"));
    }
    return {};
}

}  // namespace

Result<void> load_foreign(const Toolstack& toolstack, base::DomId domain, const ForeignGuest& guest) {
    clear_library_message();
    const bool pv = guest.image.kind == GuestKind::pv;
    const std::string cmdline(guest.params.cmdline);
    BASE_ASSIGN(const auto image, open_image(toolstack, domain, guest, cmdline));
    auto* dom = image.get();
    auto* control = toolstack.control();
    BASE_TRY(
        step(::xc_cpuid_apply_policy(control, domain.value, false, nullptr, 0, true, false, false, nullptr, nullptr),
             "processor features"));
    if (!pv) {
        lay_out_pvh(*dom, guest.memory);
    }
    BASE_TRY(step(::xc_dom_boot_xen_init(dom, control, domain.value), "asking Xen"));
    BASE_TRY(step(::xc_dom_parse_image(dom), "kernel"));
    BASE_TRY(step(::xc_dom_mem_init(dom, static_cast<unsigned>(guest.memory.value >> 20)), "memory"));
    if (const auto filled = step(::xc_dom_boot_mem_init(dom), "memory"); !filled) {
        auto shortage = shortage_of(toolstack, domain, "memory of a domain", guest.memory);
        return shortage.code == base::Code::no_memory ? base::fail(std::move(shortage)) : filled;
    }
    std::vector<e820entry> map;
    auto acpi = acpi_tables(acpi_begin, guest.vcpus);
    if (!pv) {
        dom->acpi_modules[0].data = reinterpret_cast<std::uint8_t*>(acpi.data());
        dom->acpi_modules[0].length = static_cast<std::uint32_t>(acpi.size());
        dom->acpi_modules[0].guest_addr_out = acpi_begin;
        BASE_TRY(tell_memory_map(toolstack, domain, *dom, map));
    }
    BASE_TRY(step(::xc_dom_build_image(dom), "building the domain"));
    BASE_TRY(step(::xc_dom_boot_image(dom), "boot state"));
    BASE_TRY(step(::xc_dom_gnttab_init(dom), "grant table"));
    return pv ? Result<void>() : tell_no_xenstore(toolstack, domain);
}

}  // namespace hypervisor::xen
