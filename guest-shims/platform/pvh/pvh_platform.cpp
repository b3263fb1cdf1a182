// SPDX-License-Identifier: Apache-2.0
// A machine without a hypervisor that we know: no event channels, no grants, no devices of noxs. What is left is a
// serial port, the time stamp counter, and a way out. Interrupts are off, and nobody waits for a launch here.
#include "guest-shims/platform/pvh/pvh_platform.hpp"

#include "guest-shims/platform/page_tables.hpp"
#include "guest-shims/platform/processor_entropy.hpp"
#include "guest-shims/platform/pvclock.hpp"
#include "guest-shims/platform/pvh/pit.hpp"
#include "guest-shims/platform/pvh/ports.hpp"
#include "guest-shims/runtime/boot_info.hpp"

namespace guest {

extern "C" {
extern std::uint64_t pvh_pdpt[512];  // pvh_entry.S
extern std::uint64_t pvh_pt[512];    // pvh_entry.S
}

namespace {

/// Looks at a device's status before we go on without it.
constexpr unsigned max_polls = 1'000'000;

bool poll(std::uint16_t port, std::uint8_t bit) {
    for (unsigned i = 0; i < max_polls; ++i) {
        if ((pvh::in8(port) & bit) != 0) {
            return true;
        }
    }
    return false;
}

/// How far the TSC counts while the timer's channel 2 counts down once.
std::uint64_t calibrate() {
    constexpr std::uint8_t one_shot = 0xb0;  // channel 2, low byte then high, mode 0
    pvh::out8(pvh::pit_gate, (pvh::in8(pvh::pit_gate) & 0xfc) | 1);
    pvh::out8(pvh::pit_command, one_shot);
    pvh::out8(pvh::pit_channel2, pvh::calibration_ticks & 0xff);
    pvh::out8(pvh::pit_channel2, pvh::calibration_ticks >> 8);
    const std::uint64_t begin = read_tsc();
    constexpr std::uint8_t done = 1 << 5;
    return poll(pvh::pit_gate, done) ? read_tsc() - begin : 0;
}

class PvhPlatform final : public Platform {
 public:
    constexpr PvhPlatform() = default;

    std::string_view name() const override { return "pvh"; }

    std::uint64_t start(const BootInfo& boot, std::uint64_t free) override {
        multiplier_ = pvh::tsc_multiplier(calibrate());
        return map_ram(pvh_pdpt, boot.memory_map, free);
    }

    void notify(base::EvtchnPort) override {}

    PortSet take_pending() override { return {}; }

    /// Nothing can happen: without a timeout, that is for ever.
    void wait(std::optional<Nanoseconds> timeout) override {
        if (!timeout) {
            asm volatile("hlt");
            return;
        }
        const std::uint64_t begin = monotonic().value;
        while (monotonic().value - begin < timeout->value) {
            __builtin_ia32_pause();
        }
    }

    Nanoseconds monotonic() const override { return {ticks_to_ns(read_tsc(), multiplier_, pvh::tsc_shift)}; }

    /// There is no clock that every such machine has: time begins in 1970.
    Nanoseconds wall_clock() const override { return monotonic(); }

    void entropy(std::span<std::byte> out) override { processor_entropy(out, read_tsc()); }

    std::span<base::GrantEntryV1> grant_table() override { return {}; }

    void print(std::string_view text) override {
        constexpr std::uint8_t room = 1 << 5;
        for (const char c : text) {
            poll(pvh::com1_line_status, room);
            pvh::out8(pvh::com1_data, static_cast<std::uint8_t>(c));
        }
    }

    /// Soft-off of QEMU's machines, which comes a moment later; on others that does nothing, and a fault with no
    /// handler resets them. `code` has nowhere to go.
    [[noreturn]] void shutdown(std::int32_t) override {
        constexpr std::uint16_t sleep_enable = 1 << 13;  // with sleep type 0, which is S5 there
        pvh::out16(pvh::acpi_pm1a_control, sleep_enable);
        wait(Nanoseconds{ns_per_second});
        __builtin_trap();
    }

 private:
    std::uint32_t multiplier_{pvh::tsc_multiplier(0)};
};

constinit PvhPlatform platform;

}  // namespace

/// Maps what the entry code leaves out, because firmware leaves the start info there: page 0 (QEMU,
/// pc-bios/optionrom/pvh_main.c) and the last 64 KiB below 1 MiB (qboot, of QEMU's microvm). Read-only, so that a write
/// through a null pointer and a stack that runs over still fault.
Platform& pvh_platform() {
    constexpr std::uint64_t present = 1;
    constexpr std::uint64_t last_low = 0xf0;
    constexpr std::uint64_t first_ram = 0x100;
    pvh_pt[0] = present;
    for (std::uint64_t page = last_low; page < first_ram; ++page) {
        pvh_pt[page] = page * base::page_size | present;
    }
    return platform;
}

}  // namespace guest
