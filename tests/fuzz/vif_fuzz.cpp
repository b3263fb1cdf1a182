// SPDX-License-Identifier: Apache-2.0
// The input is what a hostile guest does with its vif: a list of steps, each of which puts bytes somewhere into its
// control page, rings, grant table or buffers, or a request onto a ring, and lets the backend look; some of it while the
// backend is at work. A second, honest guest on the same switch, and an uplink, must get sound frames only.
//
// One step: u8 what (low 3 bits: target, bit 5: the bytes are put there while a frame of the guest is delivered, bit 6:
// grants in place or not, bit 7: a new daemon takes over first), u16 offset, u8 length, bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>

#include "base/log.hpp"
#include "tests/unit/noxs/vif_guest.hpp"

namespace {

namespace wire = noxs::wire;
using test_support::FakeDomain;
using test_support::VifGuest;
using test_support::VifHost;

/// Ends the run, as a sanitizer would, when a backend breaks its promise.
void require(bool held) {
    if (!held) {
        std::abort();
    }
}

constexpr std::size_t most_bytes = 1500 + noxs::ethernet_header + noxs::vlan_tag;

/// Checks what comes out of the switch, and strikes while it does.
class Outside final : public noxs::SwitchPort {
 public:
    bool deliver(const noxs::Frame& frame) override {
        require(frame.bytes.size() >= noxs::ethernet_header && frame.bytes.size() <= most_bytes);
        require(noxs::checksum_inside(frame));
        require(noxs::source_key(frame.bytes) == noxs::mac_key(test_support::mac(1)));
        ++frames;
        if (const auto act = std::exchange(strike, nullptr)) {
            act();
        }
        return true;
    }
    void flush() override {}
    noxs::Counters counters() const override { return {}; }

    unsigned frames{0};
    std::function<void()> strike;
};

class Network {
 public:
    Network() : uplink_(network_.plug_uplink(outside_)), honest_(2), honest_host_(honest_, &network_) {
        honest_.publish();
        honest_host_.vif->run(now_);
        host_ = std::make_unique<VifHost>(guest_, &network_);
        guest_.publish();
        look();
    }

    /// Does one step; returns how much of `input` it was.
    std::size_t step(std::span<const std::uint8_t> input) {
        guest_.domain.lane().set_in_place((input[0] & 0x40) != 0);
        if ((input[0] & 0x80) != 0) {
            host_.reset();
            host_ = std::make_unique<VifHost>(guest_, &network_, noxs::Origin::adopted);
        }
        const auto bytes = input.subspan(4, std::min<std::size_t>(input[3], input.size() - 4));
        const unsigned target = input[0] & 7U;
        const std::size_t offset = input[1] | static_cast<std::size_t>(input[2]) << 8;
        if ((input[0] & 0x20) != 0) {
            outside_.strike = [this, target, offset, bytes] { apply(target, offset, bytes); };
        } else {
            apply(target, offset, bytes);
        }
        look();
        return 4 + bytes.size();
    }

 private:
    void apply(unsigned target, std::size_t offset, std::span<const std::uint8_t> bytes) {
        constexpr std::uint64_t gfns[] = {FakeDomain::control_gfn, VifGuest::tx_gfn, VifGuest::rx_gfn,
                                          FakeDomain::grant_table_gfn, VifGuest::buffer_gfn};
        if (target < std::size(gfns)) {
            const std::span page(&guest_.domain.page<std::uint8_t>(gfns[target]), base::page_size);
            offset %= page.size();
            std::copy_n(bytes.begin(), std::min(bytes.size(), page.size() - offset), page.begin() + offset);
        } else if (target == 5) {
            wire::TxRequest request{VifGuest::buffer_ref, 0, 0, 0, 60};
            std::memcpy(&request, bytes.data(), std::min(bytes.size(), sizeof request));
            auto& ring = guest_.tx();
            ring.entries[ring.header.req_prod++ % 256].request = request;
        } else if (target == 6) {
            guest_.post(static_cast<unsigned>(offset % 300));
        } else {
            host_->vif->begin_close();
        }
    }
    void look() {
        now_ += std::chrono::milliseconds(3);
        const unsigned before = outside_.frames;
        honest_.post(1);
        const auto turn = host_->vif->run(now_);
        require(turn.next != noxs::Turn::Next::later);
        require(outside_.frames - before <= 2 * noxs::VifScratch::most_packets);
        const auto to_guest = test_support::udp_frame(test_support::mac(1), test_support::mac(50), test_support::ip(50),
                                                      test_support::ip(1), 1 + now_.time_since_epoch().count() % 9000);
        network_.forward(*uplink_, {to_guest, 34, 6}, now_);
        network_.flush();
        static_cast<void>(host_->vif->arm());
        require(host_->host.stopped.size() <= 1);
        require(host_->vif->status().stopped.empty() == host_->host.stopped.empty());
        for (const auto& got : honest_.received()) {
            require(!got.error && got.bytes.size() <= most_bytes);
        }
        require(honest_host_.host.stopped.empty());
    }

    noxs::Switch network_{"default"};
    Outside outside_;
    noxs::Switch::Place* uplink_;
    VifGuest honest_;
    VifHost honest_host_;
    VifGuest guest_;
    std::unique_ptr<VifHost> host_;
    noxs::Clock::time_point now_{std::chrono::hours(1)};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    base::set_log_level(base::Level::error);
    Network network;
    std::span<const std::uint8_t> input(data, std::min<std::size_t>(size, 4096));
    while (input.size() >= 4) {
        input = input.subspan(network.step(input));
    }
    return 0;
}
