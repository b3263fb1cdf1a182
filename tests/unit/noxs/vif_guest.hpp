// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "noxs/backends/vif.hpp"
#include "noxs/backends/vif_control.hpp"
#include "noxs/shared.hpp"
#include "tests/support/fake_domain.hpp"
#include "tests/unit/noxs/frame_builder.hpp"

namespace test_support {

/// Keeps what devices tell the plane.
class RecordingHost final : public noxs::DeviceHost {
 public:
    void wake(noxs::DataDevice&) override { ++wakes; }
    void on_stopped(noxs::DataDevice& device) override { stopped.push_back(device.stopped()); }
    void on_closed(noxs::DataDevice&) override { ++closed; }

    unsigned wakes{0};
    unsigned closed{0};
    std::vector<std::string> stopped;
};

/// A domain with one vif, and a frontend written by hand to drive it. Page `n` of its buffers is granted under
/// `buffer_ref + n`.
class VifGuest {
 public:
    static constexpr std::uint32_t control_ref = 511;
    static constexpr std::uint32_t tx_ref = 8;
    static constexpr std::uint32_t rx_ref = 9;
    static constexpr std::uint32_t buffer_ref = 16;
    static constexpr std::uint64_t tx_gfn = FakeDomain::ram_gfn;
    static constexpr std::uint64_t rx_gfn = FakeDomain::ram_gfn + 1;
    static constexpr std::uint64_t buffer_gfn = FakeDomain::ram_gfn + 2;
    static constexpr unsigned buffers = 400;

    explicit VifGuest(unsigned number = 1) : domain(base::DomId(static_cast<std::uint16_t>(number))) {
        settings.mac = mac(number);
        settings.ipv4 = {ip(number), 24};
        settings.network = "default";
        domain.grant_page(control_ref, FakeDomain::control_gfn);
        domain.grant_page(tx_ref, tx_gfn);
        domain.grant_page(rx_ref, rx_gfn);
        for (unsigned i = 0; i < buffers; ++i) {
            domain.grant_page(buffer_ref + i, buffer_gfn + i);
        }
        noxs::describe(&domain.page<std::byte>(FakeDomain::control_gfn), entry(), settings);
    }

    noxs::wire::DeviceEntry entry() const {
        noxs::wire::DeviceEntry made{};
        made.type = noxs::wire::DeviceType::vif;
        made.id = 3;
        made.control_ref = control_ref;
        made.port = FakeLaneEnd::port;
        return made;
    }
    noxs::wire::VifControl& control() { return domain.page<noxs::wire::VifControl>(FakeDomain::control_gfn); }
    noxs::wire::TxRing& tx() { return domain.page<noxs::wire::TxRing>(tx_gfn); }
    noxs::wire::RxRing& rx() { return domain.page<noxs::wire::RxRing>(rx_gfn); }
    std::byte* buffer(unsigned number) { return &domain.page<std::byte>(buffer_gfn + number); }

    void publish(std::uint64_t features = noxs::vif_features) {
        control().queue[0].tx_ref = tx_ref;
        control().queue[0].rx_ref = rx_ref;
        control().queues = 1;
        control().header.frontend_features = features;
        noxs::store_release(control().header.frontend_state, noxs::wire::State::connected);
    }

    // ---- sending: buffers from 0 on, one slot each; `tx_slot` alone does not publish

    void tx_slot(const noxs::wire::TxRequest& request) { tx().entries[tx_prod_++ % 256].request = request; }
    void tx_publish() { noxs::store_release(tx().header.req_prod, tx_prod_); }
    /// Sends `frame` in slots of up to `slot_size` bytes, each at `offset` of its page.
    void send(const Bytes& frame, std::uint16_t flags = 0, std::size_t slot_size = 4096, std::uint16_t offset = 0) {
        for (std::size_t at = 0; at < frame.size(); at += slot_size) {
            const std::size_t size = std::min(slot_size, frame.size() - at);
            const unsigned number = tx_prod_ % 100;
            std::memcpy(buffer(number) + offset, frame.data() + at, size);
            const bool more = at + size < frame.size();
            tx_slot({buffer_ref + number, offset,
                     static_cast<std::uint16_t>((at == 0 ? flags : 0) | (more ? noxs::wire::tx_more_data : 0)),
                     static_cast<std::uint16_t>(tx_prod_), static_cast<std::uint16_t>(at == 0 ? frame.size() : size)});
        }
        tx_publish();
    }
    /// The responses that were not read yet: (id, status).
    std::vector<std::pair<unsigned, int>> tx_responses() {
        std::vector<std::pair<unsigned, int>> all;
        for (; tx_cons_ != tx().header.rsp_prod; ++tx_cons_) {
            const auto& response = tx().entries[tx_cons_ % 256].response;
            all.emplace_back(response.id, response.status);
        }
        return all;
    }

    // ---- receiving: buffers from 100 on

    void post(unsigned count) {
        for (unsigned i = 0; i < count; ++i, ++rx_prod_) {
            const unsigned number = 100 + rx_prod_ % 256;
            rx().entries[rx_prod_ % 256].request = {static_cast<std::uint16_t>(rx_prod_), 0, buffer_ref + number};
        }
        noxs::store_release(rx().header.req_prod, rx_prod_);
    }
    struct Received {
        Bytes bytes{};
        unsigned slots{0};
        std::uint16_t flags{0};  ///< of the first slot
        bool error{false};
    };
    std::vector<Received> received() {
        std::vector<Received> all;
        bool more = false;
        for (; rx_cons_ != rx().header.rsp_prod; ++rx_cons_) {
            const auto response = rx().entries[rx_cons_ % 256].response;
            if (!more) {
                all.emplace_back().flags = response.flags;
            }
            auto& packet = all.back();
            ++packet.slots;
            packet.error = packet.error || response.status < 0 || response.id != (rx_cons_ & 0xffff);
            const std::byte* at = buffer(100 + rx_cons_ % 256) + response.offset;
            packet.bytes.insert(packet.bytes.end(), at, at + std::max<int>(response.status, 0));
            more = (response.flags & noxs::wire::rx_more_data) != 0;
        }
        return all;
    }

    FakeDomain domain;
    noxs::VifSettings settings;

 private:
    std::uint32_t tx_prod_{0};
    std::uint32_t tx_cons_{0};
    std::uint32_t rx_prod_{0};
    std::uint32_t rx_cons_{0};
};

/// The backend of a VifGuest, without a plane around it.
class VifHost {
 public:
    VifHost(VifGuest& guest, noxs::Switch* network, noxs::Origin origin = noxs::Origin::fresh)
        : lane(*guest.domain.open_data_lane({})) {
        auto control = *lane->map_grant(base::GrantRef(VifGuest::control_ref), base::Access::read_write);
        vif = std::make_unique<noxs::VifBackend>(
            noxs::DeviceParams{host, *lane, guest.entry(), std::move(control), origin}, guest.settings, network,
            scratch());
        vif->plug();
        vif->begin();
    }
    std::uint64_t count(const std::string& name) const {
        for (const auto& [counter, value] : vif->counters()) {
            if (counter == name) {
                return value;
            }
        }
        return ~std::uint64_t{0};
    }

    /// Of all backends of a test, as of all of a plane: large, and empty between calls.
    static noxs::VifScratch& scratch() {
        static noxs::VifScratch all;
        return all;
    }

    RecordingHost host;
    std::unique_ptr<hypervisor::DataLane> lane;
    std::unique_ptr<noxs::VifBackend> vif;
};

}  // namespace test_support
