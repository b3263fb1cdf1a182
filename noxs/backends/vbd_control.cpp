// SPDX-License-Identifier: Apache-2.0
#include "noxs/block/block_request.hpp"
#include "noxs/data_plane.hpp"
#include "noxs/shared.hpp"
#include "noxs/wire/control_page.hpp"

namespace noxs {

void describe(std::byte* control_page, const wire::DeviceEntry& entry, const VbdSettings& settings) {
    auto& control = *reinterpret_cast<wire::VbdControl*>(control_page);
    control = {};
    control.header.version = wire::version;
    control.header.type = wire::DeviceType::vbd;
    control.header.id = entry.id;
    control.header.backend_features = static_cast<std::uint64_t>(wire::VbdFeature::indirect);
    control.sectors = settings.sectors;
    control.sector_size = settings.sector_size;
    control.physical_sector_size = settings.sector_size;
    control.flags = settings.flags;
    control.max_ring_order = 0;
    control.discard_granularity = settings.discard_granularity;
    control.max_indirect_segments = max_indirect_segments;
    store_release(control.header.backend_state, wire::State::init_wait);
}

}  // namespace noxs
