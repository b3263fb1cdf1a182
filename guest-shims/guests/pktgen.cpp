// SPDX-License-Identifier: Apache-2.0
// Sends or counts small packets as fast as it can, for benchmarks/net. Answers ARP, and nothing else. Command line:
//   mode=sink                                    counts what comes (default)
//   mode=send dst=IP dmac=MAC [size=64] [count=N]  sends UDP packets to port 9 of dst, to the station dmac; size as on a
//                                                  wire, with the 4 bytes of the checksum that no vif carries
// Prints packets a second while they flow.
#include <new>

#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/gathering.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/frontends/vif.hpp"
#include "guest-shims/net/arp.hpp"
#include "guest-shims/net/checksum.hpp"
#include "guest-shims/net/rules.hpp"
#include "guest-shims/runtime/cmdline.hpp"

namespace guest {

namespace {

constexpr Vif::Pools pools{.rx = 256, .tx = 256};
constexpr unsigned frames_a_turn = 64;
constexpr std::int32_t exit_bad_options = 2;
constexpr std::size_t frame_check = 4;
constexpr std::size_t smallest = 64;
constexpr std::size_t headers = ethernet_size + ipv4_size + 8;

class PacketGenerator final : public Service {
 public:
    explicit PacketGenerator(System& system) : system_(system), vif_(system, pools) { system.set_service(this); }

    /// Reads what to send; false: not understood.
    bool read_options(std::string_view cmdline);
    bool work(std::optional<Nanoseconds>& timeout) override;

    std::uint64_t received() const { return received_; }
    std::uint64_t sent() const { return sent_; }

 private:
    void make_frame();
    void answer(const Arp& arp);
    unsigned receive();
    unsigned send();

    System& system_;
    Vif vif_;
    Gathering gathering_;
    std::uint64_t received_{0};
    std::uint64_t sent_{0};
    std::uint64_t to_send_{0};
    std::uint32_t destination_{0};
    std::uint8_t station_[6]{};
    std::size_t size_{0};
    std::byte frame_[Vif::tx_buffer_size]{};
};

bool PacketGenerator::read_options(std::string_view cmdline) {
    const std::string_view mode = option(cmdline, "mode").value_or("sink");
    if (mode != "send") {
        return mode == "sink";
    }
    const auto destination = parse_address(option(cmdline, "dst").value_or(""));
    const auto size = number_option(cmdline, "size").value_or(smallest);
    if (!destination || !parse_mac(option(cmdline, "dmac").value_or(""), station_) ||
        size < static_cast<std::int32_t>(smallest) || size > Vif::max_mtu) {
        return false;
    }
    destination_ = *destination;
    size_ = static_cast<std::size_t>(size) - frame_check;
    const auto count = number_option(cmdline, "count");
    to_send_ = count && *count > 0 ? static_cast<std::uint64_t>(*count) : ~std::uint64_t{0};
    return true;
}

/// With the vif's present address.
void PacketGenerator::make_frame() {
    put_ethernet(frame_, station_, vif_.address().mac, type_ipv4);
    std::byte* ip = frame_ + ethernet_size;
    ip[0] = std::byte{0x45};
    store16(ip + 2, static_cast<std::uint16_t>(size_ - ethernet_size));
    ip[8] = std::byte{64};
    ip[9] = std::byte{protocol_udp};
    store16(ip + 10, 0);
    store32(ip + 12, address_of(vif_.address().ipv4));
    store32(ip + 16, destination_);
    store16(ip + 10, static_cast<std::uint16_t>(~ones_sum({ip, ipv4_size})));
    store16(ip + ipv4_size, 9);
    store16(ip + ipv4_size + 2, 9);
    store16(ip + ipv4_size + 4, static_cast<std::uint16_t>(size_ - headers + 8));  // no checksum: 0
}

void PacketGenerator::answer(const Arp& arp) {
    const std::uint32_t own = address_of(vif_.address().ipv4);
    const auto room = vif_.room();
    if (arp.operation != Arp::Operation::request || arp.target != own || room.empty()) {
        return;
    }
    Arp reply{Arp::Operation::reply, {}, own, arp.sender};
    __builtin_memcpy(reply.sender_mac, vif_.address().mac, sizeof reply.sender_mac);
    reply.write(room.data(), arp.sender_mac);
    vif_.send(Arp::frame_size, Vif::Checksum::complete);
}

unsigned PacketGenerator::receive() {
    unsigned frames = 0;
    for (; frames < frames_a_turn; ++frames) {
        const auto frame = vif_.receive();
        if (!frame) {
            break;
        }
        const bool is_arp = frame->bytes.size() >= ethernet_size && load16(&frame->bytes[12]) == type_arp;
        if (const auto arp = is_arp ? Arp::parse(frame->bytes) : std::nullopt) {
            answer(*arp);
        }
        received_ += is_arp ? 0 : 1;
        vif_.give_back(frame->buffer);
    }
    return frames;
}

unsigned PacketGenerator::send() {
    unsigned frames = 0;
    for (; frames < frames_a_turn && sent_ < to_send_; ++frames) {
        const auto room = vif_.room();
        if (room.empty()) {
            break;
        }
        copy_frame(room.data(), frame_, size_);
        vif_.send(size_, Vif::Checksum::complete);
        ++sent_;
    }
    return frames;
}

bool PacketGenerator::work(std::optional<Nanoseconds>& timeout) {
    vif_.follow();
    const unsigned received = receive();
    gathering_.took(received);
    unsigned sent = 0;
    if (to_send_ > 0) {
        make_frame();
        sent = send();
    }
    vif_.flush();
    const bool wants_room = sent_ < to_send_;
    if (received == frames_a_turn || sent == frames_a_turn ||
        !vif_.arm(wants_room ? Vif::Until::frame_or_room : Vif::Until::frame, gathering_.wanted(timeout))) {
        return false;
    }
    gathering_.sleeps();
    return true;
}

}  // namespace

std::int32_t run(System& system) {
    Console console(system);
    auto& generator = *new (system.allocate(sizeof(PacketGenerator))) PacketGenerator(system);
    if (!generator.read_options(system.cmdline())) {
        console.print("pktgen: mode=sink, or mode=send dst=IP dmac=MAC [size=BYTES] [count=N]\n");
        return exit_bad_options;
    }
    system.ready();
    std::uint64_t told = 0;
    std::uint64_t since = system.platform().monotonic().value;
    for (;;) {
        const std::uint64_t all = generator.sent() + generator.received();
        const std::uint64_t now = system.platform().monotonic().value;
        if (all == told) {
            system.wait();  // nothing to tell: sleep until something comes
            since = system.platform().monotonic().value;
            continue;
        }
        if (now - since >= ns_per_second) {
            console.print("pktgen: {} packets a second, {} sent, {} received\n",
                          (all - told) * ns_per_second / (now - since), generator.sent(), generator.received());
            told = all;
            since = now;
        }
        system.wait(Nanoseconds{ns_per_second - (now - since) % ns_per_second});
    }
}

}  // namespace guest
