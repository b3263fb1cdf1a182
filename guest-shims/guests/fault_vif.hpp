// SPDX-License-Identifier: Apache-2.0
// What fault.cpp does as the frontend of a vif.
#pragma once

#include <cstring>
#include <initializer_list>

#include "guest-shims/guests/fault_rings.hpp"
#include "noxs/wire/netif.hpp"

namespace guest {

class RawVif : public RawDevice<noxs::wire::VifControl> {
 public:
    explicit RawVif(System& system) : RawDevice(system, noxs::wire::DeviceType::vif) {
        data_ref_ = grant(&data());
        publish(grant(&tx().page()), grant(&rx().page()));
    }

    static RawRing<noxs::wire::TxRing>& tx() {
        static constinit RawRing<noxs::wire::TxRing> ring;
        return ring;
    }
    static RawRing<noxs::wire::RxRing>& rx() {
        static constinit RawRing<noxs::wire::RxRing> ring;
        return ring;
    }
    /// What all packets are sent from.
    static RawPage& data() {
        static constinit RawPage page;
        return page;
    }
    std::uint32_t data_ref() const { return data_ref_; }

    void publish(std::uint32_t tx_ref, std::uint32_t rx_ref) {
        store_relaxed(control().queues, 1U);
        store_relaxed(control().queue[0].tx_ref, tx_ref);
        store_relaxed(control().queue[0].rx_ref, rx_ref);
    }
    /// Puts the slots of one packet, rings, and waits for all responses. Returns how many were errors.
    unsigned send(std::initializer_list<noxs::wire::TxRequest> slots) {
        for (const auto& slot : slots) {
            tx().put(slot);
        }
        return send_slots(slots.size());
    }
    /// A whole packet from `data`.
    unsigned send_data(std::uint16_t size) { return send({{data_ref_, 0, 0, 0, size}}); }
    /// A ring full of it.
    unsigned send_many(std::uint16_t size) {
        for (unsigned i = 0; i < tx().entries; ++i) {
            tx().put(noxs::wire::TxRequest{data_ref_, 0, 0, 0, size});
        }
        return send_slots(tx().entries);
    }

 private:
    unsigned send_slots(std::size_t count) {
        tx().publish();
        notify();
        unsigned errors = 0;
        for (std::size_t i = 0; i < count; ++i) {
            errors += await<noxs::wire::TxResponse>(tx()).status == noxs::wire::net_okay ? 0 : 1;
        }
        return errors;
    }

    std::uint32_t data_ref_{0};
};

inline void vif_ring_ref(System& system) {
    RawVif vif(system);
    vif.publish(0, 0xffffffff);
    vif.connect();
    vif.await_end();
}

inline void vif_queues(System& system) {
    RawVif vif(system);
    store_relaxed(vif.control().queues, 0x80000001U);
    vif.connect();
    vif.await_end();
}

inline void vif_tx_index(System& system) {
    RawVif vif(system);
    vif.connect();
    vif.tx().publish(0x7fffffff);
    vif.notify();
    vif.await_end();
}

/// Looked at when something is to be received: a neighbour's broadcast does.
inline void vif_rx_index(System& system) {
    RawVif vif(system);
    vif.connect();
    vif.rx().publish(0x80000000);
    vif.notify();
    vif.await_end();
}

inline void vif_bells(System& system) {
    RawVif vif(system);
    vif.connect();
    vif.ring_without_end();
}

/// A packet that never ends: every slot says that there is more.
inline void vif_endless_packet(System& system) {
    RawVif vif(system);
    vif.connect();
    const noxs::wire::TxRequest slot{vif.data_ref(), 0, noxs::wire::tx_more_data, 0, 64};
    while (!vif.backend_left()) {
        for (unsigned i = 0; i < vif.tx().entries; ++i) {
            vif.tx().put(slot);
        }
        vif.tx().publish();
        vif.notify();
        system.wait(Nanoseconds{ns_per_second / 100});
    }
    vif.await_end();
}

/// Packets that are wrong by themselves, one after the other: each is answered by an error, and no more.
inline void vif_bad_packets(System& system) {
    using namespace noxs::wire;
    RawVif vif(system);
    vif.connect();
    const std::uint32_t ref = vif.data_ref();
    const unsigned errors = vif.send({{0, 0, 0, 1, 64}}) + vif.send({{ref + 100, 0, 0, 2, 64}}) +
                            vif.send({{0xffffffff, 0, 0, 3, 64}}) + vif.send({{ref, 4095, 0, 4, 64}}) +
                            vif.send({{ref, 0xffff, 0, 5, 0xffff}}) + vif.send({{ref, 0, 0, 6, 0}}) +
                            vif.send({{ref, 0, 0, 7, 13}}) + vif.send({{ref, 0, 0, 8, 4096}});
    vif.console().print("{} errors of 8\n", errors);
    idle(system);
}

/// Bigger than any MTU, in slots that are right one by one.
inline void vif_oversized(System& system) {
    using namespace noxs::wire;
    RawVif vif(system);
    vif.connect();
    const TxRequest first{vif.data_ref(), 0, tx_more_data, 1, 4 * page_size - 1};
    const TxRequest more{vif.data_ref(), 0, tx_more_data, 2, page_size};
    const TxRequest last{vif.data_ref(), 0, 0, 3, page_size};
    vif.console().print("{} errors of 4\n", vif.send({first, more, more, last}));
    idle(system);
}

/// Buffers for reception that are not there, or may not be written.
inline void vif_bad_buffers(System& system) {
    RawVif vif(system);
    vif.connect();
    const std::uint32_t refs[] = {0, 0xffffffff, vif.grant(&vif.data(), GrantAccess::read_only)};
    for (unsigned i = 0; i < vif.rx().entries; ++i) {
        vif.rx().put(noxs::wire::RxRequest{static_cast<std::uint16_t>(i), 0, refs[i % 3]});
    }
    vif.rx().publish();
    vif.notify();
    vif.console().print("buffers are posted\n");
    idle(system);
}

inline void vif_noise(System& system) {
    RawVif vif(system);
    vif.connect();
    make_noise(vif, {&vif.control(), &vif.tx().ring(), &vif.rx().ring()});
}

}  // namespace guest
