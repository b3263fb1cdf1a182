// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/vif_control.hpp"

#include <cstring>

#include "noxs/data_plane.hpp"
#include "noxs/shared.hpp"

namespace noxs {

namespace {

template <class Address>
void put(std::uint8_t* field, const Address& address) {
    std::memcpy(field, address.bytes.data(), address.bytes.size());
}

}  // namespace

void describe(std::byte* control_page, const wire::DeviceEntry& entry, const VifSettings& settings) {
    auto& page = *reinterpret_cast<wire::VifControl*>(control_page);
    page = {};  // the page may have been another device's before
    page.header.version = wire::version;
    page.header.type = entry.type;
    page.header.id = entry.id;
    page.header.backend_features = vif_features;
    put(page.mac, settings.mac);
    page.mtu = settings.mtu;
    put(page.ipv4, settings.ipv4.address);
    put(page.ipv4_gateway, settings.ipv4_gateway);
    page.ipv4_prefix = settings.ipv4.prefix;
    put(page.ipv6, settings.ipv6);
    put(page.ipv6_gateway, settings.ipv6_gateway);
    page.ipv6_prefix = settings.ipv6_prefix;
    page.max_queues = vif_queues;
    page.queue[0].tx_port = page.queue[0].rx_port = entry.port;
    store_release(page.header.backend_state, wire::State::init_wait);
}

}  // namespace noxs
