// SPDX-License-Identifier: Apache-2.0
// Interrupts are off and there is no IDT: events are polled, and a fault is a triple fault, which ends the domain.
#include "guest-shims/platform/xen/xen_platform.hpp"

#include <algorithm>

#include "guest-shims/platform/page_tables.hpp"
#include "guest-shims/platform/processor_entropy.hpp"
#include "guest-shims/platform/pvclock.hpp"
#include "guest-shims/platform/xen/clock.hpp"
#include "guest-shims/platform/xen/cpuid.hpp"
#include "guest-shims/platform/xen/entry_constants.h"
#include "guest-shims/platform/xen/events.hpp"
#include "guest-shims/platform/xen/hypercall.hpp"
#include "guest-shims/runtime/boot_info.hpp"
#include "hypervisor/xen/xen_abi.hpp"

namespace guest {

namespace abi = hypervisor::xen::abi;

extern "C" {
extern std::uint64_t pvh_pdpt[512];     // pvh_entry.S
extern std::byte xen_hypercall_page[];  // pvh_entry.S
}

namespace {

static_assert(max_ports == abi::max_ports);
static_assert(XEN_BOOT_MAGIC_ADDRESS == abi::boot_page_gpa + offsetof(abi::BootPage, magic));
static_assert((XEN_BOOT_MAGIC_LOW | std::uint64_t{XEN_BOOT_MAGIC_HIGH} << 32) == abi::boot_magic);
static_assert(XEN_START_INFO == abi::start_info_gpa && XEN_DEVICE_PAGE == abi::device_page_gpa);
static_assert(XEN_LOW_END == abi::low_end_gpa && XEN_RAM == abi::ram_gpa);

static_assert(abi::max_native_memory + (abi::high_ram_gpa - abi::low_ram_end) <= pdpt_reach);

void write_msr(std::uint32_t msr, std::uint64_t value) {
    asm volatile("wrmsr" : : "c"(msr), "a"(static_cast<std::uint32_t>(value)), "d"(value >> 32) : "memory");
}

abi::BootPage& boot_page() {
    return *reinterpret_cast<abi::BootPage*>(abi::boot_page_gpa);
}

/// Whether the xen driver started this domain, rather than xl or the like.
bool is_ours() {
    return boot_page().magic == abi::boot_magic;
}

xen::SharedInfo& shared_info() {
    return *reinterpret_cast<xen::SharedInfo*>(abi::shared_info_gpa);
}

/// Returns whether Xen did it.
[[gnu::noinline]] bool add_to_physmap(std::uint32_t space, std::uint64_t index, std::uint64_t gpa) {
    const xen::AddToPhysmap where{xen::domid_self, 0, space, index, base::gfn_of(gpa).value};
    return xen::hypercall<xen::hypercall_memory>(xen::memory_add_to_physmap, &where) == 0;
}

class XenPlatform final : public Platform {
 public:
    constexpr XenPlatform() = default;

    std::string_view name() const override { return "xen"; }

    std::uint64_t start(const BootInfo& boot, std::uint64_t free) override {
        devices_ = boot.device_page;
        return map_ram(pvh_pdpt, boot.memory_map, free);
    }

    void notify(base::EvtchnPort port) override {
        if (port.value < max_ports) {
            xen::hypercall<xen::hypercall_event_channel>(xen::evtchn_send, &port.value);
        }
    }

    PortSet take_pending() override { return xen::take_pending(shared_info()); }

    /// Xen marks the vCPU as polling before it looks at the pending bits of the list, and whoever sets one looks for
    /// pollers after: no wake-up is lost (common/sched/core.c: do_poll; event_2l.c: evtchn_2l_set_pending). Masks,
    /// upcall_pending and the interrupt flag play no part.
    void wait(std::optional<Nanoseconds> timeout) override {
        std::uint32_t ports[noxs::wire::max_devices];
        xen::SchedPoll poll{ports, xen::device_ports(devices_, ports), 0, 0};
        if (timeout) {
            poll.timeout = xen::deadline(monotonic().value, timeout->value);
        }
        if (xen::hypercall<xen::hypercall_sched>(xen::sched_poll, &poll) < 0) {
            // One of the ports is closed. Any event ends a poll of no port, but for one that came before the call: so
            // not for long.
            constexpr std::uint64_t not_long = 10'000'000;
            poll.nr_ports = 0;
            poll.timeout = monotonic().value + not_long;
            xen::hypercall<xen::hypercall_sched>(xen::sched_poll, &poll);
        }
    }

    Nanoseconds monotonic() const override {
        // CPUs of the host may differ by some ns, and Xen moves the domain between them.
        latest_ = std::max(latest_, system_time(shared_info().vcpu_info[0].time, [] { return read_tsc(); }));
        return {latest_};
    }

    Nanoseconds wall_clock() const override { return {xen::wall_clock_base(shared_info()) + monotonic().value}; }

    /// From the processor, as Xen has none to give.
    void entropy(std::span<std::byte> out) override { processor_entropy(out, monotonic().value); }

    /// One frame serves a guest that has no network and no disk, and costs it no hypercall.
    std::span<base::GrantEntryV1> grant_table() override {
        if (xen::has_data_device(devices_)) {
            while (grant_frames_ < abi::grant_frames &&
                   add_to_physmap(xen::mapspace_grant_table, grant_frames_,
                                  abi::grant_table_gpa + grant_frames_ * base::page_size)) {
                ++grant_frames_;
            }
        }
        return {reinterpret_cast<base::GrantEntryV1*>(abi::grant_table_gpa),
                grant_frames_ * abi::entries_of_grant_frame};
    }

    /// Xen carries two bits of reason only; xl knows "crashed" and little else.
    [[noreturn]] void shutdown(std::int32_t code) override {
        std::uint32_t reason = xen::shutdown_poweroff;
        if (is_ours()) {
            boot_page().exit_code = code;
        } else if (code != 0) {
            reason = xen::shutdown_crash;
        }
        xen::hypercall<xen::hypercall_sched>(xen::sched_shutdown, &reason);
        __builtin_trap();
    }

 private:
    const noxs::wire::DevicePage* devices_{nullptr};
    mutable std::uint64_t latest_{0};
    std::uint64_t grant_frames_{1};
};

constinit XenPlatform platform;

}  // namespace

/// Hot where the driver started this domain: one exit, to fill the hypercall page.
Platform* find_xen_platform() {
    const bool ours = is_ours();
    std::uint32_t msr = xen::cpuid_first_leaf;  // where it is unless Xen poses as another hypervisor as well
    if (!ours) {
        const std::uint32_t leaf = xen::find_xen_leaf(cpuid);
        if (leaf == 0) {
            return nullptr;
        }
        msr = cpuid(leaf + xen::cpuid_msr_leaf).ebx;
    }
    write_msr(msr, reinterpret_cast<std::uint64_t>(xen_hypercall_page));
    if (!ours) {
        add_to_physmap(xen::mapspace_shared_info, 0, abi::shared_info_gpa);
        add_to_physmap(xen::mapspace_grant_table, 0, abi::grant_table_gpa);
    }
    return &platform;
}

}  // namespace guest
