// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_guest.hpp"

#include <algorithm>

#include "base/hvm_start_info.hpp"

namespace test_support {

namespace {

using namespace noxs::wire;

constexpr std::uint64_t device_page_gfn = 0x12;
constexpr std::uint64_t grant_table_gfn = fake_grant_table_gpa >> base::page_shift;
constexpr std::uint64_t ring_gfn = 0x180;
constexpr std::uint32_t ring_ref = 8;

}  // namespace

ScriptedGuest::ScriptedGuest(FakeMachine& machine, base::DomId id)
    : machine_(machine), id_(id), guest_(machine.find(id)) {}

const DeviceEntry* ScriptedGuest::entry(DeviceType type) const {
    const auto& devices = page<DevicePage>(device_page_gfn);
    if (devices.magic != magic || devices.version != version) {
        return nullptr;
    }
    const auto* end = devices.entries + std::min<std::size_t>(devices.count, max_devices);
    const auto* found = std::find_if(devices.entries, end, [type](const auto& e) { return e.type == type; });
    return found == end ? nullptr : found;
}

void ScriptedGuest::ring(DeviceType type) {
    machine_.ring(id_, entry(type)->port);
}

void ScriptedGuest::ready() {
    auto& sysctl = control<SysctlControl>(DeviceType::sysctl);
    sysctl.header.frontend_state = State::connected;
    sysctl.ready = 1;
    ring(DeviceType::sysctl);
}

ConsoleRing& ScriptedGuest::console_ring() const {
    return page<ConsoleRing>(foreign() ? foreign_console_gfn : ring_gfn);
}

void ScriptedGuest::connect_console() {
    auto& console = control<ConsoleControl>(DeviceType::console);
    if (console.header.frontend_state != State::connected) {
        (&page<base::GrantEntryV1>(grant_table_gfn))[ring_ref] = {base::grant_permit_access, 0, ring_gfn};
        console.ring_ref = ring_ref;
        console.ring_size = base::page_size;
        console.header.frontend_state = State::connected;
    }
}

void ScriptedGuest::say(std::string_view text) {
    if (!foreign()) {
        connect_console();
    }
    auto& data = console_ring();
    for (const char c : text) {
        if (data.out_prod - data.out_cons == sizeof data.out) {
            break;
        }
        data.out[data.out_prod++ % sizeof data.out] = c;
    }
    if (foreign()) {
        machine_.ring(id_, 1);
    } else {
        ring(DeviceType::console);
    }
}

std::string_view ScriptedGuest::input() const {
    const auto& data = console_ring();
    return {data.in, std::min<std::size_t>(data.in_prod, sizeof data.in)};
}

std::uint32_t ScriptedGuest::requests() const {
    return control<SysctlControl>(DeviceType::sysctl).requests;
}

void ScriptedGuest::announce(ShutdownReason reason, std::int32_t code) {
    auto& sysctl = control<SysctlControl>(DeviceType::sysctl);
    sysctl.header.frontend_state = State::connected;
    sysctl.exit_code = code;
    sysctl.reason = reason;
    ring(DeviceType::sysctl);
}

void ScriptedGuest::end(ShutdownReason reason, std::int32_t code) {
    announce(reason, code);
    machine_.die(id_, {.kind = hypervisor::DeathKind::exited, .code = code});
}

}  // namespace test_support
