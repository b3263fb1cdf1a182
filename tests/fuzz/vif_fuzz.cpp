// SPDX-License-Identifier: Apache-2.0
// The input is what a hostile guest does with its vif: a list of steps, each of which puts bytes somewhere into its
// control page, rings, grant table or buffers, or a request onto a ring, and lets the backend look; some of it while the
// backend is at work. A second, honest guest on the same switch, and an uplink, must get sound frames only.
//
// One step: u8 what (low 3 bits: target; of the first step, bit 3: nobody checks its addresses, bit 4: a large MTU; bit 5:
// the bytes are put there while the backend works, after as many of its doings as the upper 4 bits of `offset` say; bit 6:
// grants in place or not; bit 7: a new daemon takes over first), u16 offset, u8 length, bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "base/log.hpp"
#include "tests/fuzz/fuzz_guest.hpp"
#include "tests/unit/noxs/vif_guest.hpp"

namespace {

namespace wire = noxs::wire;
using fuzz::Guest;
using fuzz::require;
using test_support::Bytes;
using test_support::ip;
using test_support::mac;
using test_support::VifGuest;
using test_support::VifHost;

constexpr std::uint64_t tx_gfn = 2;
constexpr std::uint64_t rx_gfn = 3;
constexpr std::uint16_t large_mtu = 9000;

/// What is to hold of the frames that come out of the switch, while an input runs.
struct Promise {
    std::size_t most_bytes{0};
    bool checked{true};
    unsigned frames{0};
};

/// Checks what comes out of the switch.
class Outside final : public noxs::SwitchPort {
 public:
    Outside(Guest& guest, Promise& promise) : guest_(&guest), promise_(&promise) {}
    bool deliver(const noxs::Frame& frame) override {
        require(frame.bytes.size() >= noxs::ethernet_header && frame.bytes.size() <= promise_->most_bytes);
        require(noxs::checksum_inside(frame));
        require(!promise_->checked || noxs::source_key(frame.bytes) == noxs::mac_key(mac(1)));
        ++promise_->frames;
        guest_->meanwhile();
        return true;
    }
    void flush() override { guest_->meanwhile(); }
    noxs::Counters counters() const override { return {}; }

 private:
    Guest* guest_;
    Promise* promise_;
};

class Host final : public noxs::DeviceHost {
 public:
    void wake(noxs::DataDevice&) override {}
    void on_stopped(noxs::DataDevice&) override { ++stopped; }
    void on_closed(noxs::DataDevice&) override {}
    unsigned stopped{0};
};

noxs::VifSettings settings_of(bool checked, std::uint16_t mtu) {
    noxs::VifSettings settings;
    settings.mac = mac(1);
    settings.ipv4 = {ip(1), 24};
    settings.network = "default";
    settings.check_source = checked;
    settings.mtu = mtu;
    return settings;
}

/// All that lasts: guests, switch, uplink.
class Network {
 public:
    Network() : outside_(guest_, promise_), uplink_(network_.plug_uplink(outside_)), honest_(2) {
        honest_host_.emplace(honest_, &network_);
        honest_.publish();
        honest_host_->vif->run(now_);
        guest_.grant_page(8, tx_gfn);
        guest_.grant_page(9, rx_gfn);
        for (std::uint32_t ref = VifGuest::buffer_ref; ref < Guest::grant_entries; ++ref) {
            guest_.grant_page(ref,
                              Guest::first_data + (ref - VifGuest::buffer_ref) % (Guest::pages - Guest::first_data));
        }
        noxs::describe(guest_.page(Guest::control_gfn).data(), entry(), settings_of(true, 1500));
        auto& control = guest_.page_as<wire::VifControl>(Guest::control_gfn);
        control.queue[0] = {.tx_ref = 8, .rx_ref = 9, .tx_port = 64, .rx_port = 64};
        control.queues = 1;
        control.header.frontend_features = noxs::vif_features;
        control.header.frontend_state = wire::State::connected;
        guest_.keep();
    }

    void run(std::span<const std::uint8_t> input) {
        guest_.reset();
        now_ += std::chrono::seconds(10);  // nothing of the last input counts any more
        host_.stopped = 0;
        steps_ = 0;
        const std::uint8_t first = input.empty() ? 0 : input[0];
        settings_ = settings_of((first & 8) == 0, (first & 16) == 0 ? 1500 : large_mtu);
        promise_ = {settings_.mtu + noxs::ethernet_header + noxs::vlan_tag, settings_.check_source, 0};
        make(noxs::Origin::fresh);
        look();
        while (input.size() >= 4) {
            input = input.subspan(step(input));
        }
        vif_.reset();
        require(lane_.mapped() == 0);
    }

 private:
    static wire::DeviceEntry entry() {
        wire::DeviceEntry made{};
        made.type = wire::DeviceType::vif;
        made.id = 3;
        made.port = 64;
        return made;
    }
    void make(noxs::Origin origin) {
        vif_.reset();
        host_.stopped = 0;
        auto control = base::Mapping::view(guest_.page(Guest::control_gfn).data(), base::page_size);
        vif_ = std::make_unique<noxs::VifBackend>(noxs::DeviceParams{host_, lane_, entry(), std::move(control), origin},
                                                  settings_, &network_, VifHost::scratch());
        vif_->plug();
        vif_->begin();
    }

    /// Does one step; returns how much of `input` it was.
    std::size_t step(std::span<const std::uint8_t> input) {
        ++steps_;
        lane_.set_in_place((input[0] & 0x40) != 0);
        if ((input[0] & 0x80) != 0) {
            make(noxs::Origin::adopted);
        }
        const auto bytes = input.subspan(4, std::min<std::size_t>(input[3], input.size() - 4));
        apply(input[0], input[1] | static_cast<std::size_t>(input[2]) << 8, bytes);
        look();
        return 4 + bytes.size();
    }

    void apply(std::uint8_t what, std::size_t offset, std::span<const std::uint8_t> bytes) {
        constexpr std::uint64_t gfns[] = {Guest::control_gfn, tx_gfn, rx_gfn, Guest::grant_table_gfn,
                                          Guest::first_data};
        const unsigned target = what & 7U;
        if (target < std::size(gfns)) {
            (what & 0x20) != 0 ? guest_.strike(static_cast<unsigned>(offset >> 12), gfns[target], offset, bytes)
                               : guest_.put(gfns[target], offset, bytes);
        } else if (target == 5) {
            wire::TxRequest request{VifGuest::buffer_ref, 0, 0, 0, 60};
            std::memcpy(&request, bytes.data(), std::min(bytes.size(), sizeof request));
            auto& ring = guest_.page_as<wire::TxRing>(tx_gfn);
            ring.entries[ring.header.req_prod++ % 256].request = request;
        } else if (target == 6) {
            post(static_cast<unsigned>(offset % 300));
        } else {
            vif_->begin_close();
        }
    }
    void post(unsigned count) {
        auto& ring = guest_.page_as<wire::RxRing>(rx_gfn);
        for (std::uint32_t& next = ring.header.req_prod; count > 0; --count, ++next) {
            const std::uint32_t ref = VifGuest::buffer_ref + 100 + next % 256;
            ring.entries[next % 256].request = {static_cast<std::uint16_t>(next), 0, ref};
        }
    }

    void look() {
        now_ += std::chrono::milliseconds(3);
        const unsigned before = promise_.frames;
        const auto& posted = honest_.rx().header;
        honest_.post(8 - (posted.req_prod - posted.rsp_prod));
        const auto turn = vif_->run(now_);
        require(turn.next != noxs::Turn::Next::later);
        require(promise_.frames - before <= 2 * noxs::VifScratch::most_packets);
        // Of a page and less, across pages, and more than the guest's MTU.
        constexpr std::size_t sizes[] = {60, 1514, 4097, 9042};
        network_.forward(*uplink_, {std::span(to_guest_).first(sizes[steps_ % std::size(sizes)]), 34, 6}, now_);
        network_.flush();
        static_cast<void>(vif_->arm());
        require(host_.stopped == (vif_->stopped().empty() ? 0 : 1));
        require(vif_->stopped().empty() || lane_.mapped() == 0);
        for (const auto& got : honest_.received()) {
            require(!got.error && got.bytes.size() <= promise_.most_bytes);
        }
        require(honest_host_->host.stopped.empty());
    }

    Guest guest_;
    Promise promise_;
    fuzz::Lane lane_{guest_};
    Host host_;
    noxs::Switch network_{"default"};
    Outside outside_;
    noxs::Switch::Place* uplink_;
    VifGuest honest_;
    std::optional<VifHost> honest_host_;
    noxs::VifSettings settings_;
    std::unique_ptr<noxs::VifBackend> vif_;
    const Bytes to_guest_{test_support::udp_frame(mac(1), mac(50), ip(50), ip(1), 9000)};
    noxs::Clock::time_point now_{std::chrono::hours(1)};
    std::size_t steps_{0};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    base::set_log_level(base::Level::error);
    static Network network;
    network.run({data, std::min<std::size_t>(size, 4096)});
    return 0;
}
