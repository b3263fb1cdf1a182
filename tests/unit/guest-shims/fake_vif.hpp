// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fake_guest.hpp"
#include "noxs/wire/netif.hpp"

namespace guest {

/// A vif on port 64 of a guest with 1 MiB of heap, and its backend, scripted by the test.
struct FakeVif {
    static constexpr std::uint32_t port = 64;
    static constexpr std::size_t heap_size = 1 << 20;

    explicit FakeVif(FakeGuest& owner) : guest(owner), ram(std::make_unique<Ram>()) {
        auto& header = control.page.header;
        header.version = noxs::wire::version;
        header.type = noxs::wire::DeviceType::vif;
        header.backend_state = noxs::wire::State::init_wait;
        header.backend_features = 7;
        const std::uint8_t mac[] = {2, 0x63, 0x68, 0, 0, 9};
        std::memcpy(control.page.mac, mac, sizeof mac);
        control.page.mtu = 1500;
        const std::uint8_t ipv4[] = {10, 107, 0, 9};
        std::memcpy(control.page.ipv4, ipv4, sizeof ipv4);
        control.page.ipv4_prefix = 16;
        attach();
    }

    /// The guest's boot information, with memory.
    BootInfo boot() {
        BootInfo info = guest.boot();
        memory_map = {begin(), heap_size, base::memmap_ram, 0};
        info.memory_map = {&memory_map, 1};
        return info;
    }
    std::uint64_t begin() const { return reinterpret_cast<std::uintptr_t>(ram->bytes); }

    void attach() {
        auto& entry = guest.devices.entries[slot];
        entry.type = noxs::wire::DeviceType::vif;
        entry.id = control.page.header.id;
        entry.port = port;
        entry.control_gfn = reinterpret_cast<std::uintptr_t>(&control.page) / base::page_size;
        guest.devices.count = slot + 1;
        guest.devices.generation += 2;
    }
    void detach() {
        guest.devices.entries[slot] = {};
        guest.devices.generation += 2;
    }

    /// The page behind a grant; null where it is not granted.
    std::byte* page(std::uint32_t ref) const {
        const auto& grants = guest.platform.grants;
        if (ref >= grants.size() || (grants[ref].flags & base::grant_permit_access) == 0) {
            return nullptr;
        }
        // Grants hold 32-bit frames, enough for guests but not for a host's addresses: complete them.
        const std::uintptr_t high = begin() / base::page_size & ~std::uintptr_t{0xffffffff};
        return reinterpret_cast<std::byte*>((high | grants[ref].frame) * base::page_size);
    }
    noxs::wire::TxRing& tx() const {
        return *reinterpret_cast<noxs::wire::TxRing*>(page(control.page.queue[0].tx_ref));
    }
    noxs::wire::RxRing& rx() const {
        return *reinterpret_cast<noxs::wire::RxRing*>(page(control.page.queue[0].rx_ref));
    }

    void state(noxs::wire::State state) { control.page.header.backend_state = state; }
    noxs::wire::State frontend() const { return control.page.header.frontend_state; }

    struct Sent {
        std::string bytes;
        std::uint16_t flags;
        std::uint16_t id;
    };
    /// Takes what the guest sent; answers it unless told not to.
    std::vector<Sent> take_sent(bool answer = true) {
        std::vector<Sent> frames;
        for (; tx_taken != tx().header.req_prod; ++tx_taken) {
            const auto request = tx().entries[tx_taken % noxs::wire::net_ring_entries].request;
            const auto* from = reinterpret_cast<const char*>(page(request.ref)) + request.offset;
            frames.push_back({{from, request.size}, request.flags, request.id});
        }
        tx().header.req_event = tx_taken + 1;
        for (const auto& frame : frames) {
            if (answer) {
                answer_tx(frame.id);
            }
        }
        return frames;
    }
    void answer_tx(std::uint16_t id, std::int16_t status = noxs::wire::net_okay) {
        auto& header = tx().header;
        tx().entries[header.rsp_prod % noxs::wire::net_ring_entries].response = {id, status};
        ++header.rsp_prod;
    }

    /// Puts a frame into the next buffer; false: there is none.
    bool deliver(const std::string& bytes, std::uint16_t flags = 0, std::uint16_t offset = 0) {
        if (rx_taken == rx().header.req_prod) {
            return false;
        }
        const auto request = rx().entries[rx_taken++ % noxs::wire::net_ring_entries].request;
        std::memcpy(page(request.ref) + offset, bytes.data(), bytes.size());
        answer_rx({request.id, offset, flags, static_cast<std::int16_t>(bytes.size())});
        return true;
    }
    void answer_rx(noxs::wire::RxResponse response) {
        auto& header = rx().header;
        rx().entries[header.rsp_prod % noxs::wire::net_ring_entries].response = response;
        ++header.rsp_prod;
    }
    /// A backend that begins anew: knows nothing of earlier rings.
    void restart() { tx_taken = rx_taken = 0; }

    FakeGuest& guest;
    FakeGuest::ControlPage<noxs::wire::VifControl> control;
    std::uint32_t slot{2};
    std::uint32_t tx_taken{0};
    std::uint32_t rx_taken{0};

 private:
    struct Ram {
        alignas(noxs::wire::page_size) std::byte bytes[heap_size];
    };
    std::unique_ptr<Ram> ram;
    base::HvmMemmapEntry memory_map{};
};

}  // namespace guest
