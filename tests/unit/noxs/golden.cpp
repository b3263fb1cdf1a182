// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/noxs/golden.hpp"

#include <cstring>
#include <numeric>

#include "noxs/page_writer.hpp"
#include "noxs/wire/console_ring.hpp"
#include "noxs/wire/control_page.hpp"

namespace test_support {
namespace {

using namespace noxs::wire;

template <class T>
std::string bytes_of(const T& object) {
    return {reinterpret_cast<const char*>(&object), sizeof(object)};
}

ControlHeader header(DeviceType type, std::uint32_t id) {
    ControlHeader made{};
    made.version = version;
    made.type = type;
    made.id = id;
    made.backend_state = State::connected;
    made.frontend_state = State::initialised;
    made.backend_features = 0x1122334455667788;
    made.frontend_features = 0x1020304050607080;
    return made;
}

/// Sparse: the second of four devices is removed again.
std::string device_page() {
    noxs::PageWriter writer;
    std::uint32_t i = 0;
    for (const auto type : {DeviceType::sysctl, DeviceType::console, DeviceType::vif, DeviceType::vbd}) {
        DeviceEntry entry{};
        entry.type = type;
        entry.id = 0x01020300 + i;
        entry.backend = static_cast<std::uint16_t>(0x1110 + i);
        entry.control_ref = 511 - i;
        entry.port = 1 + i;
        entry.control_gfn = 0x0000000fedcba900 + i;
        if (!writer.add(entry)) {
            return {};
        }
        ++i;
    }
    if (!writer.remove(DeviceType::console, 0x01020301)) {
        return {};
    }
    static_cast<void>(writer.publish([](std::size_t, auto) { return noxs::Result<void>{}; }));
    return bytes_of(writer.image());
}

std::string sysctl_control() {
    SysctlControl page{};
    page.header = header(DeviceType::sysctl, 0);
    page.requests =
        static_cast<std::uint32_t>(SysctlRequest::power_off) | static_cast<std::uint32_t>(SysctlRequest::resume);
    page.ready = 1;
    page.acknowledged = static_cast<std::uint32_t>(SysctlRequest::power_off);
    page.reason = ShutdownReason::out_of_memory;
    page.exit_code = -2;
    return bytes_of(page);
}

std::string console_control() {
    ConsoleControl page{};
    page.header = header(DeviceType::console, 3);
    page.ring_ref = 8;
    page.ring_size = 4096;
    return bytes_of(page);
}

std::string console_ring() {
    ConsoleRing ring{};
    std::iota(std::begin(ring.in), std::end(ring.in), '\0');
    std::iota(std::begin(ring.out), std::end(ring.out), '\x55');
    ring.in_cons = 0x11111111;
    ring.in_prod = 0x22222222;
    ring.out_cons = 0x33333333;
    ring.out_prod = 0x44444444;
    return bytes_of(ring);
}

std::string vif_control() {
    VifControl page{};
    page.header = header(DeviceType::vif, 1);
    std::iota(std::begin(page.mac), std::end(page.mac), std::uint8_t{0xa0});
    page.mtu = 1500;
    std::iota(std::begin(page.ipv4), std::end(page.ipv4), std::uint8_t{10});
    std::iota(std::begin(page.ipv4_gateway), std::end(page.ipv4_gateway), std::uint8_t{20});
    page.ipv4_prefix = 24;
    page.ipv6_prefix = 64;
    page.max_queues = max_queues;
    std::iota(std::begin(page.ipv6), std::end(page.ipv6), std::uint8_t{0x60});
    std::iota(std::begin(page.ipv6_gateway), std::end(page.ipv6_gateway), std::uint8_t{0x80});
    page.queues = 2;
    for (std::uint32_t i = 0; i < max_queues; ++i) {
        page.queue[i] = {0x100 + i, 0x200 + i, 0x300 + i, 0x400 + i};
    }
    return bytes_of(page);
}

std::string vbd_control() {
    VbdControl page{};
    page.header = header(DeviceType::vbd, 51712);
    page.sectors = 0x0000000123456789;
    page.sector_size = 512;
    page.physical_sector_size = 4096;
    page.flags = static_cast<std::uint32_t>(VbdFlag::read_only) | static_cast<std::uint32_t>(VbdFlag::flush);
    page.max_ring_order = 4;
    page.discard_granularity = 0x10000;
    page.discard_alignment = 0x200;
    page.ring_order = 1;
    std::iota(std::begin(page.ring_ref), std::end(page.ring_ref), 8U);
    return bytes_of(page);
}

}  // namespace

std::vector<Golden> render_golden() {
    return {{"device_page.bin", device_page()},         {"sysctl_control.bin", sysctl_control()},
            {"console_control.bin", console_control()}, {"console_ring.bin", console_ring()},
            {"vif_control.bin", vif_control()},         {"vbd_control.bin", vbd_control()}};
}

}  // namespace test_support
