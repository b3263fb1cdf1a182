// SPDX-License-Identifier: Apache-2.0
// The input is a device page: whatever it says, the reader hands out known types from inside the page only.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "noxs/page_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    alignas(4096) noxs::wire::DevicePage page{};
    std::copy_n(data, std::min(size, sizeof(page)), reinterpret_cast<std::uint8_t*>(&page));
    noxs::PageReader reader;
    const noxs::PageError error = reader.read(page, 3);
    std::size_t devices = 0;
    reader.for_each([&](const noxs::wire::DeviceEntry& entry) {
        ++devices;
        if (!noxs::known_type(entry.type) || reader.find(entry.type, entry.id) == nullptr) {
            std::abort();
        }
    });
    if (devices > noxs::wire::max_devices || (error != noxs::PageError::none && devices > 0)) {
        std::abort();
    }
    return 0;
}
