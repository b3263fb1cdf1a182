// SPDX-License-Identifier: Apache-2.0
// The whole contract between a guest and what it runs on. One implementation per folder below this one:
//   platform/select.cpp                     platform_for
//   platform/process/process_platform.cpp   the process driver
//   platform/kvm/kvm_platform.cpp           the kvm driver
//   platform/xen/xen_platform.cpp           Xen, through the PVH entry
//   platform/pvh/pvh_platform.cpp           any other machine with a PVH entry
// Everything above this header (frontends, guests) is written once for every hypervisor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/hvm_start_info.hpp"
#include "base/ids.hpp"

namespace guest {

struct BootInfo;  // runtime/boot_info.hpp

/// A length of time.
struct Nanoseconds {
    std::uint64_t value{};
};

inline constexpr std::uint64_t ns_per_second = 1'000'000'000;

inline constexpr unsigned max_ports = 128;

/// A set of event channel ports.
struct PortSet {
    std::uint64_t words[max_ports / 64]{};

    constexpr bool any() const { return (words[0] | words[1]) != 0; }
    constexpr bool has(base::EvtchnPort port) const {
        return port.value < max_ports && (words[port.value / 64] >> (port.value % 64) & 1) != 0;
    }
};

/// What a further vCPU runs; must not return.
using VcpuEntry = void (*)(void* argument);

/// What a guest may ask of the machine it runs on. Objects are static, hold no resources and are never destroyed.
///
/// A guest begins on vCPU 0, and what it does not start stays still. Where there are others, they may call `notify`,
/// `wait`, `take_pending` and `monotonic` at any time, and `shutdown`, which ends all. The rest, and all frontends, are
/// vCPU 0's, unless the guest has a lock of its own around them.
class Platform {
 public:
    /// For people: "process", "xen" ...
    virtual std::string_view name() const = 0;

    /// Called once, before anything but `shutdown`. Makes all RAM of the memory map accessible; may take memory for
    /// that from `free` up, the end of the image. Returns where free memory begins.
    virtual std::uint64_t start(const BootInfo&, std::uint64_t free) { return free; }

    /// Makes `port` pending at its other end. At most one system call or exit; on `process` none where the other end
    /// has not yet looked at an earlier notification. A port out of range is ignored.
    virtual void notify(base::EvtchnPort port) = 0;

    /// Takes the ports that became pending since the last call, and clears them.
    virtual PortSet take_pending() = 0;

    /// Sleeps until a port is pending or `timeout` is over; returns at once where one is pending already. May return
    /// early for no reason: look at the state that you wait for, and wait again.
    virtual void wait(std::optional<Nanoseconds> timeout) = 0;

    /// Time since some fixed point; never goes back.
    virtual Nanoseconds monotonic() const = 0;

    /// Time since 1970-01-01 00:00 UTC.
    virtual Nanoseconds wall_clock() const = 0;

    /// Fills `out` with bytes fit for keys, but on a machine that has no source of them: see the platform.
    virtual void entropy(std::span<std::byte> out) = 0;

    /// The grant table, shared with the hypervisor.
    virtual std::span<base::GrantEntryV1> grant_table() = 0;

    /// How many vCPUs there are, this one counted.
    virtual unsigned vcpus() const { return 1; }

    /// Starts vCPU `index`, 1 to vcpus() - 1, once: it runs entry(argument) on the stack that ends at `stack_end`, with
    /// what was written before in its sight. Returns whether it was started.
    virtual bool start_vcpu(unsigned index, VcpuEntry entry, void* argument, void* stack_end) {
        static_cast<void>(index), static_cast<void>(entry), static_cast<void>(argument), static_cast<void>(stack_end);
        return false;
    }

    /// Text for people from a guest that has no console device. Dropped but where the machine has another way for it.
    virtual void print(std::string_view text) { static_cast<void>(text); }

    /// Ends the domain. `code` is what the toolstack is told; a reason in words goes through sysctl before.
    [[noreturn]] virtual void shutdown(std::int32_t code) = 0;

 protected:
    constexpr Platform() = default;
    ~Platform() = default;
};

/// What the PVH entry passes: the code it leads to has to find out itself what it runs on.
inline constexpr std::uint64_t pvh_platform_id = 0;

/// The platform whose entry code passed `platform_id`, or null where this image has none for it.
Platform* platform_for(std::uint64_t platform_id);

}  // namespace guest
