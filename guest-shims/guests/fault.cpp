// SPDX-License-Identifier: Apache-2.0
// The guest that misbehaves, so that tests can see what that does to others. Command line:
//   fault=KIND (below)   ready=0|1 (say ready first; 1)   exit=CODE (for fault=exit; 3)
// Those of vif and vbd are frontends that are wrong in one way each: their first device of that type.
#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/guests/fault_memory.hpp"
#include "guest-shims/guests/fault_ports.hpp"
#include "guest-shims/guests/fault_spoof.hpp"
#include "guest-shims/guests/fault_vbd.hpp"
#include "guest-shims/guests/fault_vif.hpp"
#include "guest-shims/platform/process/syscall.hpp"
#include "guest-shims/platform/xen/hypercall.hpp"
#include "guest-shims/platform/xen/interface.hpp"
#include "guest-shims/runtime/cmdline.hpp"
#include "guest-shims/runtime/shared.hpp"

namespace guest {

namespace wire = noxs::wire;

namespace {

// Linux x86-64 system calls: two that no guest may make, and write, of which it may make one form only.
constexpr long nr_write = 1;
constexpr long nr_open = 2;
constexpr long nr_getpid = 39;

/// For attacks that end by themselves: long enough to overlap with what the other side does, short for a test.
constexpr unsigned rounds = 2000;

constexpr std::uint64_t first_noise = 0x9e3779b97f4a7c15;

std::uint64_t next_noise(std::uint64_t noise) {
    return noise * 6364136223846793005 + 1442695040888963407;
}

bool runs_on(System& system, std::string_view platform) {
    return system.platform().name() == platform;
}

/// Burns CPU and never leaves user mode.
void spin(System&) {
    for (;;) {
        __builtin_ia32_pause();
    }
}

void getpid_call(System&) {
    syscall4(nr_getpid);
}

void open_call(System&) {
    const char path[] = "/etc/passwd";
    syscall4(nr_open, reinterpret_cast<long>(path));
}

/// A permitted call on a descriptor that is not the guest's.
void bad_syscall_args(System&) {
    const char text[8] = {'e', 's', 'c', 'a', 'p', 'e', 'd', '\n'};
    syscall4(nr_write, 1, reinterpret_cast<long>(text), sizeof text);
}

void console_flood(System& system) {
    Console console(system);
    for (std::uint64_t line = 0;; ++line) {
        console.print("flood {:012} ........................................................\n", line);
    }
}

/// A fault with no handler for it, nor for the fault of having none. Where this is a privileged instruction, it faults.
void triple_fault(System&) {
    struct [[gnu::packed]] {
        std::uint16_t limit;
        std::uint64_t base;
    } const no_handlers{};
    asm volatile("lidt %0; int3" : : "m"(no_handlers));
}

/// Every port that there is; where there is one, also the bell itself, past the rule that it is rung only once: on the
/// process driver now and then with the value that makes an eventfd full.
void doorbell_flood(System& system) {
    constexpr long doorbell = 3;
    const bool on_process = runs_on(system, "process");
    const bool on_kvm = runs_on(system, "kvm");
    for (std::uint64_t i = 0;; ++i) {
        system.platform().notify(base::EvtchnPort{static_cast<std::uint32_t>(i % max_ports)});
        if (on_process) {
            const std::uint64_t value = i % 1024 == 1023 ? 0xfffffffffffffffe : 1;
            syscall4(nr_write, doorbell, reinterpret_cast<long>(&value), sizeof value);
        } else if (on_kvm) {
            kvm::out32<kvm_abi::port_doorbell>(static_cast<std::uint32_t>(i));
        }
    }
}

std::span<const wire::DeviceEntry> list_devices(System& system) {
    static wire::DeviceEntry devices[wire::max_devices];
    return {devices, system.devices().list(devices).value_or(0)};
}

/// Calls `ring` after each round of changes, so that every backend looks at every state.
void notify_all(System& system, std::span<const wire::DeviceEntry> devices) {
    for (const auto& device : devices) {
        system.platform().notify(base::EvtchnPort{device.port});
    }
}

void corrupt_device_page(System& system) {
    auto* page = reinterpret_cast<volatile std::uint32_t*>(
        const_cast<wire::DevicePage*>(system.boot().device_page));  // NOLINT: that it is const is the point
    *page = 0xffffffff;
}

void corrupt_control_page(System& system) {
    const auto devices = list_devices(system);
    std::uint64_t noise = first_noise;
    for (unsigned round = 0;; ++round) {
        for (const auto& device : devices) {
            auto* words = reinterpret_cast<std::uint64_t*>(base::gpa_of(base::Gfn{device.control_gfn}));
            for (std::size_t i = 0; i < base::page_size / sizeof *words; ++i) {
                noise = next_noise(noise);
                store_relaxed(words[i], round % 2 == 0 ? noise >> (noise & 63) : ~std::uint64_t{0});
            }
        }
        notify_all(system, devices);
    }
}

void corrupt_console_ring(System& system) {
    Console console(system);
    console.print("about to corrupt my console ring\n");
    auto& ring = console.ring();
    constexpr std::uint32_t absurd[] = {0x7fffffff, 0xffffffff, 2049, 0x80000000, 0, 0xfffff800};
    for (unsigned round = 0; round < rounds; ++round) {
        const std::uint32_t value = absurd[round % 6];
        store_relaxed(ring.out_prod, load_relaxed(ring.out_cons) + value);
        store_relaxed(ring.out_cons, value);
        store_relaxed(ring.in_cons, load_relaxed(ring.in_prod) + value);
        store_relaxed(ring.in_prod, ~value);
        system.platform().notify(console.port());
    }
    idle(system);
}

void corrupt_grants(System& system) {
    Console console(system);
    console.print("about to corrupt my grants\n");
    const auto table = system.platform().grant_table();
    auto* control = console.control();
    for (unsigned round = 0; round < rounds && control != nullptr; ++round) {
        for (std::uint32_t i = 0; i < table.size(); ++i) {
            const std::uint32_t noise = (i + round) * 2654435761U;
            store_relaxed(table[i].frame, noise);
            store_relaxed(table[i].domid, static_cast<std::uint16_t>(noise >> 30));
            store_release(table[i].flags, static_cast<std::uint16_t>(noise >> 16));
        }
        store_relaxed(control->ring_ref, round % 2 == 0 ? round % 600 : 0xffffffffU - round);
        store_relaxed(control->ring_size, round % 3 == 0 ? 4096U : round * 0x10001U);
        store_release(control->header.frontend_state, round % 4 == 3 ? wire::State::closed : wire::State::connected);
        system.platform().notify(console.port());
    }
    idle(system);
}

/// Closes its ends of all event channels, then waits as if nothing were.
void close_ports(System& system) {
    for (std::uint32_t port = 1; port < max_ports; ++port) {
        xen::hypercall<xen::hypercall_event_channel>(xen::evtchn_close, &port);
    }
    idle(system);
}

/// Everything that a guest may ask about event channels (opening new ones, binding, closing, resetting, another ABI)
/// with arguments that are now and then right, and a hypercall that there is not.
void hypercall_flood(System&) {
    std::uint64_t noise = first_noise;
    for (;;) {
        noise = next_noise(noise);
        const std::uint32_t small = noise >> 32 & 15;
        const std::uint32_t argument[8] = {noise >> 31 & 1 ? xen::domid_self : small, small};
        xen::hypercall<xen::hypercall_event_channel>(noise >> 60, argument);
        xen::hypercall<xen::hypercall_none>(noise, argument);
    }
}

/// Noise all over what it shares with the driver: pending ports, wake-ups, and on kvm how further vCPUs start.
void corrupt_event_page(System& system) {
    auto* words = reinterpret_cast<std::uint64_t*>(kvm_abi::event_page_gpa);
    std::uint64_t noise = first_noise;
    for (;;) {
        for (std::size_t i = 0; i < base::page_size / sizeof *words; ++i) {
            noise = next_noise(noise);
            store_relaxed(words[i], noise);
        }
        store_relaxed(words[2], std::uint64_t{0});  // to_host: the bell is rung each time
        system.platform().notify(base::EvtchnPort{static_cast<std::uint32_t>(noise >> 57)});
    }
}

void never_ready(System& system) {
    idle(system);
}

void exit_without_reason(System& system) {
    system.platform().shutdown(number_option(system.cmdline(), "exit").value_or(3));
}

void panic(System& system) {
    Console console(system);
    system.panic("asked to");
}

struct Fault {
    std::string_view name;
    void (*act)(System&);
    std::string_view only_on{};  // platforms; empty: all
};

bool exists_on(const Fault& fault, std::string_view platform) {
    return fault.only_on.empty() || fault.only_on.find(platform) != std::string_view::npos;
}

constexpr Fault faults[] = {
    {"wild-read", wild_read},
    {"wild-write", wild_write},
    {"jump", jump},
    {"null-write", null_write},
    {"null-jump", null_jump},
    {"page-table-write", page_table_write, "kvm process"},
    {"spin", spin},
    {"syscall", getpid_call},
    {"open", open_call},
    {"bad-syscall-args", bad_syscall_args},
    {"stack-overflow", stack_overflow},
    {"memory", memory},
    {"console-flood", console_flood},
    {"doorbell-flood", doorbell_flood},
    {"corrupt-device-page", corrupt_device_page},
    {"corrupt-control-page", corrupt_control_page},
    {"corrupt-console-ring", corrupt_console_ring},
    {"corrupt-grants", corrupt_grants},
    {"never-ready", never_ready},
    {"exit", exit_without_reason},
    {"panic", panic},
    {"triple-fault", triple_fault},
    {"hlt", halt, "kvm process"},
    {"port-io", port_io, "kvm process"},
    {"port-in", port_in, "kvm process"},
    {"port-byte", port_byte, "kvm process"},
    {"port-between", port_between, "kvm process"},
    {"string-io", string_io, "kvm process"},
    {"shutdown-string", shutdown_string, "kvm"},
    {"start-vcpu-flood", start_vcpu_flood, "kvm"},
    {"corrupt-event-page", corrupt_event_page, "kvm process"},
    {"close-ports", close_ports, "xen"},
    {"hypercall-flood", hypercall_flood, "xen"},
    {"vif-ring-ref", vif_ring_ref},
    {"vif-queues", vif_queues},
    {"vif-tx-index", vif_tx_index},
    {"vif-rx-index", vif_rx_index},
    {"vif-bells", vif_bells},
    {"vif-endless-packet", vif_endless_packet},
    {"vif-bad-packets", vif_bad_packets},
    {"vif-oversized", vif_oversized},
    {"vif-bad-buffers", vif_bad_buffers},
    {"vif-noise", vif_noise},
    {"vif-flood", vif_flood},
    {"vif-spoof", vif_spoof},
    {"vbd-ring-ref", vbd_ring_ref},
    {"vbd-ring-order", vbd_ring_order},
    {"vbd-index", vbd_index},
    {"vbd-bells", vbd_bells},
    {"vbd-noise", vbd_noise},
    {"vbd-bad-requests", vbd_bad_requests},
    {"vbd-write-read-only", vbd_write_read_only},
    {"vbd-read-only-page", vbd_read_only_page},
};

/// Exit code for a command line that names no fault, or one that did not do any harm.
constexpr std::int32_t exit_usage = 64;  // sysexits.h: EX_USAGE
constexpr std::int32_t exit_survived = 65;

}  // namespace

std::int32_t run(System& system) {
    const std::string_view wanted = option(system.cmdline(), "fault").value_or("");
    for (const Fault& fault : faults) {
        if (fault.name != wanted || !exists_on(fault, system.platform().name())) {
            continue;
        }
        if (wanted != "never-ready" && number_option(system.cmdline(), "ready") != 0) {
            system.ready();
        }
        fault.act(system);
        return exit_survived;
    }
    Console console(system);
    console.print("fault: no fault \"{}\"; there are:", wanted);
    for (const Fault& fault : faults) {
        if (exists_on(fault, system.platform().name())) {
            console.print(" {}", fault.name);
        }
    }
    console.print("\n");
    return exit_usage;
}

}  // namespace guest
