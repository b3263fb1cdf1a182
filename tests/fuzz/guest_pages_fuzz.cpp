// SPDX-License-Identifier: Apache-2.0
// What a guest reads of pages that others write: the device page, and the backend's half of a console ring. For the
// ring the input is steps of 9 bytes: how much to write and read, in_prod, out_cons.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "guest-shims/frontends/console_ring.hpp"
#include "guest-shims/runtime/device_page.hpp"

namespace {

namespace wire = noxs::wire;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

void read_device_page(const std::uint8_t* data, std::size_t size) {
    alignas(wire::page_size) static wire::DevicePage page;
    std::memset(&page, 0, sizeof page);
    std::memcpy(&page, data, std::min(size, sizeof page));
    const guest::DevicePageReader reader(&page);
    static wire::DeviceEntry entries[wire::max_devices];
    const auto count = reader.list(entries);
    require(count.has_value() == (page.generation % 2 == 0));
    if (!count) {
        return;
    }
    require(*count <= wire::max_devices && (*count == 0 || page.count <= wire::max_devices));
    for (std::size_t i = 0; i < *count; ++i) {
        const auto found = reader.first(entries[i].type);
        const auto* expected = std::ranges::find(entries, entries[i].type, &wire::DeviceEntry::type);
        require(found && std::memcmp(&*found, expected, sizeof *expected) == 0);
    }
}

void use_ring(const std::uint8_t* data, std::size_t size) {
    static wire::ConsoleRing ring;
    std::memset(&ring, 0, sizeof ring);
    guest::ConsoleRingFrontend frontend(ring);
    char text[256] = {};
    for (; size >= 9; data += 9, size -= 9) {
        std::memcpy(&ring.in_prod, data + 1, 4);
        std::memcpy(&ring.out_cons, data + 5, 4);
        const auto written = frontend.write({text, data[0]});
        require(!written || *written <= data[0]);
        const auto got = frontend.read({text, data[0]});
        require(!got || *got <= data[0]);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    read_device_page(data, size);
    use_ring(data, size);
    return 0;
}
