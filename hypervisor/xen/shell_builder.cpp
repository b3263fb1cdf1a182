// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/shell_builder.hpp"

#include <cerrno>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/scope_guard.hpp"
#include "hypervisor/xen/memory_plan.hpp"

namespace hypervisor::xen {

namespace {

// A foreign guest gets what xl gives it (libxl: max_grant_frames, max_maptrack_frames, event_channels).
constexpr std::uint32_t foreign_ports = 1023;
constexpr std::int32_t foreign_grant_frames = 64;

/// Xen's own book-keeping of a domain counts neither shared info nor grant table; a foreign guest has special pages.
constexpr std::uint64_t foreign_slack_kib = 1024;

/// Upper levels of the page tables, a monitor table for each vCPU, and room.
constexpr std::uint64_t fixed_pool_pages = 32;

/// What a domain costs Xen beyond its memory: its structures and the paging pool.
constexpr std::uint64_t overhead_kib = 400;

std::uint64_t free_kib(const Toolstack& toolstack) {
    xc_physinfo_t info{};
    return ::xc_physinfo(toolstack.control(), &info) == 0 ? info.free_pages * (base::page_size / 1024) : 0;
}

/// What a domain that is half-way has got: an error is about what there was before.
std::uint64_t held_kib(const Toolstack& toolstack, base::DomId domain) {
    xc_dominfo_t info{};
    const bool found = ::xc_domain_getinfo(toolstack.control(), domain.value, 1, &info) == 1;
    return found && info.domid == domain.value ? info.nr_pages * (base::page_size / 1024) : 0;
}

base::Error creation_error(const Toolstack& toolstack, int err, std::string_view what, base::Bytes memory) {
    return err == ENOMEM ? shortage(what, memory.value / 1024 + overhead_kib, free_kib(toolstack))
                         : xen_error(err, what);
}

Result<void> check(int result, std::string_view what) {
    return result == 0 ? Result<void>() : base::fail(xen_error(errno, what));
}

Result<void> set_limits(const Toolstack& toolstack, base::DomId domain, const ShellSpec& spec) {
    BASE_TRY(check(::xc_domain_max_vcpus(toolstack.control(), domain.value, spec.vcpus), "allocating vCPUs"));
    const auto kib = spec.kind == GuestKind::native
                         ? pages_of(plan_memory(spec.memory, spec.control_pages)) * (base::page_size / 1024)
                         : spec.memory.value / 1024 + foreign_slack_kib;
    return check(::xc_domain_setmaxmem(toolstack.control(), domain.value, kib), "setting the memory limit");
}

/// Pages for Xen's page tables of the guest. With hardware-assisted paging that is the physmap only: Xen's own start
/// of 256 pages would be a fifth of a 4 MiB guest. Shadow tables get what libxl gives (libxl__get_required_paging_memory).
Result<void> size_paging_pool(const Toolstack& toolstack, base::DomId domain, const ShellSpec& spec, bool hap) {
    if (spec.kind == GuestKind::pv) {
        return {};
    }
    const std::uint64_t mib = spec.memory.value >> 20;
    const std::uint64_t tables = mib / 2 + 1;  // one per 2 MiB, should memory come in small pages only
    const std::uint64_t pages = hap ? fixed_pool_pages * spec.vcpus + tables : 256 * spec.vcpus + 2 * mib;
    return check(::xc_set_paging_mempool_size(toolstack.control(), domain.value, pages * base::page_size),
                 "sizing the paging pool");
}

Result<void> populate(const Toolstack& toolstack, base::DomId domain, const ShellSpec& spec) {
    for (auto& extents : plan_memory(spec.memory, spec.control_pages)) {
        auto* first = reinterpret_cast<xen_pfn_t*>(extents.first.data());
        static_assert(sizeof(xen_pfn_t) == sizeof(std::uint64_t));
        const auto count = extents.first.size();
        const int got = ::xc_domain_populate_physmap(toolstack.control(), domain.value, count, extents.order, 0, first);
        const auto done = static_cast<std::size_t>(got < 0 ? 0 : got);
        // Memory in pieces: what has no large extent gets small ones.
        for (std::size_t i = done; i < count; ++i) {
            std::vector<xen_pfn_t> pages(1ULL << extents.order);
            for (std::size_t page = 0; page < pages.size(); ++page) {
                pages[page] = first[i] + page;
            }
            if (::xc_domain_populate_physmap_exact(toolstack.control(), domain.value, pages.size(), 0, 0,
                                                   pages.data()) != 0) {
                return base::fail(shortage_of(toolstack, domain, "memory of a domain", spec.memory));
            }
        }
    }
    return {};
}

Result<void> place_xen_pages(const Toolstack& toolstack, base::DomId domain) {
    auto* control = toolstack.control();
    BASE_TRY(check(::xc_domain_add_to_physmap(control, domain.value, XENMAPSPACE_shared_info, 0,
                                              base::gfn_of(abi::shared_info_gpa).value),
                   "placing the shared info page"));
    return check(::xc_domain_add_to_physmap(control, domain.value, XENMAPSPACE_grant_table, 0,
                                            base::gfn_of(abi::grant_table_gpa).value),
                 "placing the grant table");
}

}  // namespace

base::Error shortage(std::string_view what, std::uint64_t need_kib, std::uint64_t free_kib) {
    if (free_kib >= need_kib) {
        return {
            base::Code::limit_reached, ENOMEM,
            std::string(what) +
                ": Xen has no domain id, or no memory below 4 GiB for its own structures left (dma_bits=32 on Xen's "
                "command line keeps some: docs/xen.md); " +
                std::to_string(free_kib) + " KiB are free for guests"};
    }
    return {base::Code::no_memory, ENOMEM,
            std::string(what) + ": not enough memory: the domain needs about " + std::to_string(need_kib) +
                " KiB, Xen has " + std::to_string(free_kib) + " KiB free; " + std::to_string(need_kib - free_kib) +
                " KiB are missing"};
}

base::Error shortage_of(const Toolstack& toolstack, base::DomId domain, std::string_view what, base::Bytes memory) {
    return shortage(what, memory.value / 1024 + overhead_kib, free_kib(toolstack) + held_kib(toolstack, domain));
}

Result<base::DomId> ShellBuilder::create(const Toolstack& toolstack, const ShellSpec& spec,
                                         const DomainTag& tag) const {
    xen_domctl_createdomain config{};
    encode(tag, config.handle);
    const bool native = spec.kind == GuestKind::native;
    config.max_vcpus = spec.vcpus;
    config.max_evtchn_port = native ? abi::max_ports - 1 : foreign_ports;
    config.max_grant_frames = native ? abi::grant_frames : foreign_grant_frames;
    config.max_maptrack_frames = 0;
    config.grant_opts = XEN_DOMCTL_GRANT_version(native ? 1 : 2);
    if (spec.kind != GuestKind::pv) {
        config.flags = XEN_DOMCTL_CDF_hvm | (hap_ ? XEN_DOMCTL_CDF_hap : 0U);
        config.arch.emulation_flags = XEN_X86_EMU_LAPIC;  // what a PVH guest has (libxl_x86.c)
    }
    std::uint32_t id = 0;
    if (::xc_domain_create(toolstack.control(), &id, &config) != 0) {
        return base::fail(creation_error(toolstack, errno, "creating a domain", spec.memory));
    }
    return base::DomId{static_cast<std::uint16_t>(id)};
}

Result<HvmHeader> ShellBuilder::header(const Toolstack& toolstack, base::DomId domain) {
    const std::lock_guard lock(mutex_);
    if (!header_) {
        BASE_ASSIGN(header_, read_header(toolstack, domain));
    }
    return *header_;
}

Result<void> ShellBuilder::build_native(const Toolstack& toolstack, base::DomId domain, const ShellSpec& spec) {
    auto* control = toolstack.control();
    BASE_TRY(populate(toolstack, domain, spec));
    BASE_TRY(place_xen_pages(toolstack, domain));
    // A guest of ours has no IDT: any fault ends in a triple fault, which Xen would take for a reboot. It is one where
    // Linux is the guest, which reboots so.
    BASE_TRY(check(::xc_hvm_param_set(control, domain.value, HVM_PARAM_TRIPLE_FAULT_REASON, SHUTDOWN_crash),
                   "setting the meaning of a triple fault"));
    BASE_ASSIGN(const auto head, header(toolstack, domain));
    auto context = boot_context(head);
    return check(
        ::xc_domain_hvm_setcontext(control, domain.value, reinterpret_cast<std::uint8_t*>(&context), sizeof context),
        "setting the vCPU's registers");
}

Result<ShellBuilder::Shell> ShellBuilder::build(const Toolstack& toolstack, const ShellSpec& spec) {
    const bool native = spec.kind == GuestKind::native;
    const DomainTag tag{spec.kind, static_cast<std::uint16_t>(native ? spec.control_pages : 0),
                        static_cast<std::uint32_t>(spec.memory.value / base::page_size), instance_};
    BASE_ASSIGN(const auto domain, create(toolstack, spec, tag));
    base::ScopeGuard undo([&] {
        if (const auto destroyed = destroy_domain(toolstack, domain); !destroyed) {
            base::log(base::Level::warn, destroyed.error().message);
        }
    });
    BASE_TRY(set_limits(toolstack, domain, spec));
    BASE_TRY(size_paging_pool(toolstack, domain, spec, hap_));
    if (native) {
        BASE_TRY(build_native(toolstack, domain, spec));
    }
    undo.dismiss();
    return Shell{domain, tag};
}

Result<void> set_tag(const Toolstack& toolstack, base::DomId domain, const DomainTag& tag) {
    DomainHandle handle;
    encode(tag, handle);
    return check(::xc_domain_sethandle(toolstack.control(), domain.value, handle), "setting a domain handle");
}

Result<void> destroy_domain(const Toolstack& toolstack, base::DomId domain) {
    if (::xc_domain_destroy(toolstack.control(), domain.value) != 0 && errno != ESRCH) {
        return base::fail(xen_error(errno, "destroying domain " + std::to_string(domain.value)));
    }
    return {};
}

}  // namespace hypervisor::xen
