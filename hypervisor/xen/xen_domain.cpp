// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/xen_domain.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/hvm_start_info.hpp"
#include "hypervisor/xen/memory_plan.hpp"
#include "hypervisor/xen/shell_builder.hpp"
#include "hypervisor/xen/xen_driver.hpp"
#include "hypervisor/xen/xen_lane.hpp"

namespace hypervisor::xen {

namespace {

constexpr std::uint64_t first_low_gpa = abi::boot_page_gpa;

Layout layout_of(const DomainTag& tag) {
    Layout layout;
    layout.memory = base::Bytes{std::uint64_t{tag.memory_pages} * base::page_size};
    if (tag.kind == GuestKind::native) {
        layout.device_page = base::gfn_of(abi::device_page_gpa);
        layout.control_first = base::gfn_of(abi::control_gpa);
        layout.control_pages = tag.control_pages;
    }
    return layout;
}

std::uint64_t low_pages(const DomainTag& tag) {
    return (abi::control_gpa - first_low_gpa) / base::page_size + tag.control_pages;
}

/// A few aligned bytes at one go: the guest may read them meanwhile (PageWriter relies on it).
void copy_in(std::byte* to, std::span<const std::byte> bytes) {
    if (bytes.size() == sizeof(std::uint32_t) && reinterpret_cast<std::uintptr_t>(to) % sizeof(std::uint32_t) == 0) {
        std::uint32_t word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(to)).store(word, std::memory_order_release);
        return;
    }
    std::memcpy(to, bytes.data(), bytes.size());
    std::atomic_thread_fence(std::memory_order_release);
}

}  // namespace

Registers registers_of(const HvmCpu& cpu) {
    return {cpu.rax, cpu.rbx, cpu.rcx, cpu.rdx, cpu.rsi, cpu.rdi, cpu.rbp, cpu.rsp, cpu.r8,
            cpu.r9,  cpu.r10, cpu.r11, cpu.r12, cpu.r13, cpu.r14, cpu.r15, cpu.rip, cpu.rflags};
}

XenDomain::XenDomain(XenDriver& driver, base::DomId id, const DomainTag& tag)
    : Domain(id, layout_of(tag)), driver_(driver), tag_(tag) {}

XenDomain::~XenDomain() {
    driver_.forget(*this);
    close_channels();
}

const Toolstack& XenDomain::toolstack() const {
    return driver_.toolstack();
}

Result<void> XenDomain::map_low_pages() {
    std::vector<xen_pfn_t> frames;
    for (std::uint64_t i = 0; i < low_pages(tag_); ++i) {
        frames.push_back(base::gfn_of(first_low_gpa).value + i);
    }
    frames.push_back(base::gfn_of(abi::grant_table_gpa).value);
    BASE_ASSIGN(low_, toolstack().map(id_, frames));
    return {};
}

Result<std::unique_ptr<XenDomain>> XenDomain::fresh(XenDriver& driver, base::DomId id, const DomainTag& tag) {
    std::unique_ptr<XenDomain> domain(new XenDomain(driver, id, tag));
    if (domain->native()) {
        BASE_TRY(domain->map_low_pages());
        std::memset(domain->low_.data(), 0, low_pages(tag) * base::page_size);
        domain->boot_page() = xen::boot_page();
        BASE_TRY(domain->open_image_window());
    }
    return domain;
}

Result<std::unique_ptr<XenDomain>> XenDomain::adopted(XenDriver& driver, base::DomId id, const DomainTag& tag,
                                                      const xc_domaininfo_t& info) {
    std::unique_ptr<XenDomain> domain(new XenDomain(driver, id, tag));
    domain->paused_ = (info.flags & XEN_DOMINF_paused) != 0;
    // One that has never had the processor can't have written to its boot page.
    const bool untouched = domain->paused_ && info.cpu_time == 0;
    if (domain->native()) {
        BASE_TRY(domain->map_low_pages());
        domain->loaded_ = !untouched || domain->boot_page().loaded == 1;
        domain->locals_.resize(tag.control_pages);
    } else {
        domain->loaded_ = tag.loaded;
        domain->locals_.resize(1);
    }
    domain->started_ = !untouched;
    for (std::uint32_t port = 1; port <= domain->locals_.size(); ++port) {
        // A guest may have closed its end: that device is silent from now on.
        if (auto local = driver.ports().rebind(driver.toolstack(), id, base::EvtchnPort{port})) {
            domain->locals_[port - 1] = *local;
        }
    }
    if ((info.flags & XEN_DOMINF_shutdown) != 0) {
        domain->bury(info);
    }
    return domain;
}

Result<void> XenDomain::seed_grant(base::GrantRef ref, base::DomId backend, base::Gfn frame) {
    if (!native() || ref.value >= abi::entries_of_grant_frame ||
        !is_backed(base::gpa_of(frame), base::page_size, layout_.memory, tag_.control_pages)) {
        return base::fail(base::Code::invalid_argument, "grant outside the table or the domain");
    }
    auto* table = low_.at<base::GrantEntryV1>(low_pages(tag_) * base::page_size);
    auto& entry = table[ref.value];
    entry.domid = backend.value;
    entry.frame = static_cast<std::uint32_t>(frame.value);
    std::atomic_ref(entry.flags).store(base::grant_permit_access, std::memory_order_release);
    return {};
}

/// Where [gpa, gpa + size) is mapped already, or null.
std::byte* XenDomain::find_window(std::uint64_t gpa, std::size_t size) const {
    const auto inside = [gpa, size](std::uint64_t begin, std::uint64_t length) {
        return gpa >= begin && gpa - begin <= length && size <= length - (gpa - begin);
    };
    if (low_ && inside(first_low_gpa, low_pages(tag_) * base::page_size)) {
        return low_.data() + (gpa - first_low_gpa);
    }
    if (window_ && inside(abi::ram_gpa, window_.size())) {
        return window_.data() + (gpa - abi::ram_gpa);
    }
    return nullptr;
}

Result<base::Mapping> XenDomain::map_range(std::uint64_t gpa, std::size_t size) const {
    const auto first = base::gfn_of(gpa);
    const auto end = base::gfn_of(gpa + size + base::page_size - 1);
    return toolstack().map(id_, first, end.value - first.value);
}

Result<void> XenDomain::write(std::uint64_t gpa, std::span<const std::byte> bytes) {
    if (!native() || !is_backed(gpa, bytes.size(), layout_.memory, tag_.control_pages)) {
        return base::fail(base::Code::invalid_argument, "write outside the domain");
    }
    if (auto* at = find_window(gpa, bytes.size())) {
        copy_in(at, bytes);
        return {};
    }
    BASE_ASSIGN(const auto pages, map_range(gpa, bytes.size()));
    copy_in(pages.data() + gpa % base::page_size, bytes);
    return {};
}

Result<base::Mapping> XenDomain::map_pages(base::Gfn first, std::size_t count) {
    const auto size = count * base::page_size;
    if (!native() || count == 0 || !is_backed(base::gpa_of(first), size, layout_.memory, tag_.control_pages)) {
        return base::fail(base::Code::invalid_argument, "pages outside the domain");
    }
    const auto low_size = low_pages(tag_) * base::page_size;
    if (base::gpa_of(first) < first_low_gpa + low_size) {
        return base::Mapping::view(find_window(base::gpa_of(first), size), size);
    }
    return toolstack().map(id_, first, count);
}

Result<base::Mapping> XenDomain::map_grant(base::GrantRef ref, base::DomId backend, base::Access access) {
    if (backend != base::dom0) {
        return base::fail(base::Code::unsupported, "backends outside dom0 map their grants themselves");
    }
    return map_grant_of(driver_.grants(), id_, ref, access);
}

Result<void> XenDomain::start(Caller) {
    if (!loaded_ || dead_) {
        return base::fail(base::Code::bad_state, "the domain has no image, or has ended");
    }
    if (started_ && !paused_) {
        return {};
    }
    if (::xc_domain_unpause(toolstack().control(), id_.value) != 0) {
        return base::fail(xen_error(errno, "starting a domain"));
    }
    started_ = true;
    paused_ = false;
    driver_.retire(std::move(window_));
    return {};
}

Result<void> XenDomain::pause() {
    if (paused_) {
        return {};
    }
    if (::xc_domain_pause(toolstack().control(), id_.value) != 0) {
        return base::fail(xen_error(errno, "pausing a domain"));
    }
    paused_ = true;
    return {};
}

Result<void> XenDomain::unpause() {
    if (!paused_) {
        return {};
    }
    if (::xc_domain_unpause(toolstack().control(), id_.value) != 0) {
        return base::fail(xen_error(errno, "resuming a domain"));
    }
    paused_ = false;
    return {};
}

Result<void> XenDomain::set_affinity(std::uint64_t cpus) {
    auto* control = toolstack().control();
    const int size = ::xc_get_cpumap_size(control);
    if (size <= 0) {
        return base::fail(xen_error(errno, "asking for the processors"));
    }
    std::vector<std::uint8_t> map(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < map.size() && i < sizeof cpus; ++i) {
        map[i] = static_cast<std::uint8_t>(cpus >> (8 * i));
    }
    if (::xc_vcpu_setaffinity(control, id_.value, 0, map.data(), nullptr, XEN_VCPUAFFINITY_HARD) != 0) {
        return base::fail(xen_error(errno, "binding a vCPU to processors"));
    }
    return {};
}

Result<void> XenDomain::destroy() {
    if (destroyed_) {
        return {};
    }
    driver_.forget(*this);
    close_channels();
    low_ = {};
    window_ = {};
    if (started_) {  // only then is a window of it retired, and only the main thread destroys it
        driver_.unmap_retired();
    }
    BASE_TRY(destroy_domain(toolstack(), id_));
    destroyed_ = true;
    return {};
}

/// By its id: Xen finds a single domain at once, where listing walks past all domains before it (xen/common/sysctl.c).
Result<xc_dominfo_t> XenDomain::ask() const {
    xc_dominfo_t info{};
    const int found = ::xc_domain_getinfo(toolstack().control(), id_.value, 1, &info);
    if (found < 0) {
        return base::fail(xen_error(errno, "asking Xen about a domain"));
    }
    if (found == 0 || info.domid != id_.value) {
        return base::fail(base::Code::no_such_domain, "Xen has no domain " + std::to_string(id_.value));
    }
    return info;
}

Result<DomainInfo> XenDomain::info(Detail detail) {
    if (destroyed_) {
        return base::fail(base::Code::bad_state, "the domain is destroyed");
    }
    DomainInfo out;
    out.driver = "xen";
    out.phase = dead_ ? Phase::dead : started_ ? Phase::started : loaded_ ? Phase::loaded : Phase::shell;
    out.paused = paused_ && started_;
    out.death = death_;
    if (dead_) {
        return out;
    }
    BASE_ASSIGN(const auto info, ask());
    out.blocked = info.blocked != 0;
    if (detail == Detail::full) {
        out.cpu_time_us = info.cpu_time / 1000;
        out.resident = base::Bytes{info.nr_pages * base::page_size};
    }
    return out;
}

void XenDomain::read_registers(Death& death) const {
    HvmCpu cpu{};
    if (tag_.kind != GuestKind::pv &&
        ::xc_domain_hvm_getcontext_partial(toolstack().control(), id_.value, HVM_SAVE_CODE(CPU), 0, &cpu, sizeof cpu) ==
            0) {
        death.ip = cpu.rip;
        death.address = cpu.cr2;
        if (native() && cpu.rip == abi::boot_page_gpa) {
            death.kind = DeathKind::killed;  // it has never run an instruction: a parked shell that somebody ended
            return;
        }
        death.registers = registers_of(cpu);
    }
}

Death XenDomain::read_death(const xc_domaininfo_t& info) const {
    Death death;
    if ((info.flags & XEN_DOMINF_shutdown) == 0) {
        death.kind = DeathKind::killed;  // it goes without having ended: another toolstack destroys it
        return death;
    }
    switch ((info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask) {
        case SHUTDOWN_poweroff:
        case SHUTDOWN_suspend:
            death.code = native() ? std::atomic_ref(boot_page().exit_code).load(std::memory_order_acquire) : 0;
            break;
        case SHUTDOWN_reboot: death.kind = DeathKind::rebooted; break;
        default: death.kind = DeathKind::crashed; read_registers(death);
    }
    return death;
}

const Death& XenDomain::bury(const xc_domaininfo_t& info) {
    death_ = read_death(info);
    dead_ = true;
    return death_;
}

}  // namespace hypervisor::xen
