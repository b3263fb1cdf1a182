// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/network.hpp"

#include <new>
#include <utility>

#include "guest-shims/net/checksum.hpp"
#include "guest-shims/net/memory.hpp"
#include "guest-shims/net/port.hpp"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "netif/ethernet.h"

namespace guest {

namespace wire = noxs::wire;

namespace {

/// Frames that are taken before the guest looks at something else.
constexpr unsigned frames_a_turn = 128;

ip4_addr_t address_of(const std::uint8_t (&bytes)[4]) {
    ip4_addr_t address;
    __builtin_memcpy(&address.addr, bytes, sizeof bytes);
    return address;
}

ip4_addr_t mask_of(std::uint8_t prefix) {
    return {lwip_htonl(prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix))};
}

std::optional<Nanoseconds> sooner(std::optional<Nanoseconds> a, std::optional<Nanoseconds> b) {
    return !a || (b && b->value < a->value) ? b : a;
}

}  // namespace

/// The pbuf comes first: lwIP passes a pointer to it.
struct Network::Lent {
    pbuf_custom custom;
    Network* network;
    std::uint32_t buffer;
};

Network::Network(System& system, Vif::Pools pools)
    : system_(system), vif_(system, pools), timers_(system.platform().monotonic()) {
    set_net_heap(system.heap());
    set_net_system(system);
    lwip_init();
    netif_add(&netif_, nullptr, nullptr, nullptr, this, init, ethernet_input);
    netif_set_default(&netif_);
    netif_set_up(&netif_);
    system.set_service(this);
    follow_vif();
    vif_.flush();
}

err_t Network::init(netif* interface) {
    interface->name[0] = 'v';
    interface->name[1] = 'i';
    interface->hwaddr_len = ETH_HWADDR_LEN;
    interface->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    interface->output = etharp_output;
    interface->linkoutput = transmit;
    return ERR_OK;
}

void Network::follow_vif() {
    if (!vif_.connected()) {
        netif_set_link_down(&netif_);
        return;
    }
    if (lent_.empty()) {
        const std::size_t count = vif_.rx_buffers();
        lent_ = {static_cast<Lent*>(system_.allocate(count * sizeof(Lent))), count};
        for (std::uint32_t i = 0; i < count; ++i) {
            new (&lent_[i]) Lent{{}, this, i};
            lent_[i].custom.custom_free_function = release;
        }
    }
    const VifAddress& has = vif_.address();
    __builtin_memcpy(netif_.hwaddr, has.mac, sizeof has.mac);
    netif_.mtu = has.mtu;
    std::uint16_t checksums = NETIF_CHECKSUM_ENABLE_ALL;
    if (vif_.uses(wire::VifFeature::tx_checksum)) {
        checksums &= static_cast<std::uint16_t>(~(NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP));
    }
    NETIF_SET_CHECKSUM_CTRL(&netif_, checksums);
    const ip4_addr_t address = address_of(has.ipv4);
    const ip4_addr_t mask = mask_of(has.prefix);
    const ip4_addr_t gateway = address_of(has.gateway);
    netif_set_addr(&netif_, &address, &mask, &gateway);
    netif_set_link_up(&netif_);
}

/// Hot. lwIP keeps no reference to `frame`: it is copied.
err_t Network::transmit(netif* interface, pbuf* frame) {
    auto& self = *static_cast<Network*>(interface->state);
    const std::span<std::byte> room = self.vif_.room();
    if (room.empty() || frame->tot_len > room.size()) {
        self.starved_ = self.vif_.connected();
        return ERR_MEM;
    }
    std::size_t size = 0;
    for (const pbuf* part = frame; part != nullptr; part = part->next) {
        __builtin_memcpy(room.data() + size, part->payload, part->len);
        size += part->len;
    }
    const bool blank = self.vif_.uses(wire::VifFeature::tx_checksum) && put_pseudo_header_sum(room.first(size));
    self.vif_.send(size, blank ? Vif::Checksum::blank : Vif::Checksum::complete);
    self.sent_ = true;
    return ERR_OK;
}

void Network::release(pbuf* frame) {
    auto& lent = *reinterpret_cast<Lent*>(frame);
    --lent.network->lent_count_;
    lent.network->vif_.give_back(lent.buffer);
}

/// A frame as lwIP takes it. In place, but when it holds half of the buffers already: a peer that leaves gaps must not
/// keep the vif without.
pbuf* Network::wrap(const Vif::Received& frame) {
    const auto size = static_cast<std::uint16_t>(frame.bytes.size());
    if (lent_count_ < (lent_.size() + 1) / 2) {
        ++lent_count_;
        return pbuf_alloced_custom(PBUF_RAW, size, PBUF_REF, &lent_[frame.buffer].custom, frame.bytes.data(), size);
    }
    pbuf* copy = pbuf_alloc(PBUF_RAW, size, PBUF_RAM);
    if (copy != nullptr) {
        pbuf_take(copy, frame.bytes.data(), size);
    }
    vif_.give_back(frame.buffer);
    return copy;
}

/// Hot.
void Network::input(const Vif::Received& frame) {
    constexpr std::uint16_t checks = NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP;
    const bool believed = frame.checksum_good && vif_.uses(wire::VifFeature::rx_checksum);
    const std::uint16_t others = netif_.chksum_flags & static_cast<std::uint16_t>(~checks);
    NETIF_SET_CHECKSUM_CTRL(&netif_, static_cast<std::uint16_t>(others | (believed ? 0 : checks)));
    pbuf* packet = wrap(frame);
    if (packet != nullptr && netif_.input(packet, &netif_) != ERR_OK) {
        pbuf_free(packet);
    }
}

bool Network::work(std::optional<Nanoseconds>& timeout) {
    const Nanoseconds now = system_.platform().monotonic();
    if (vif_.follow()) {
        follow_vif();
    }
    timers_.run(now);
    unsigned frames = 0;
    while (frames < frames_a_turn) {
        const auto frame = vif_.receive();
        if (!frame) {
            break;
        }
        input(*frame);
        ++frames;
    }
    if (starved_ && !vif_.room().empty()) {
        starved_ = false;
        tcp_txnow();
    }
    timers_.run(now);  // of connections that are new
    if (std::exchange(sent_, false)) {
        timers_.touch(now);
    }
    vif_.flush();
    timeout = sooner(timeout, timers_.next(now));
    const bool more = frames == frames_a_turn;
    return !more && vif_.arm(starved_ ? Vif::Until::frame_or_room : Vif::Until::frame);
}

}  // namespace guest
