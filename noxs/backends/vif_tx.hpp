// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hypervisor/data_lane.hpp"
#include "noxs/back_ring.hpp"
#include "noxs/switch/port.hpp"
#include "noxs/switch/token_bucket.hpp"
#include "noxs/wire/netif.hpp"

namespace noxs {

/// One batch of packets on their way out of or into a guest. One for all vifs of a plane: it is empty between calls.
struct VifScratch {
    struct Packet {
        std::uint32_t at{0};  ///< in `bytes`
        std::uint32_t size{0};
        std::uint16_t first_slot{0};
        std::uint16_t slots{0};
        std::uint16_t first_piece{0};
        std::uint16_t pieces{0};
        bool checksum_blank{false};
        bool bad{false};  ///< answered with an error, goes nowhere
    };
    struct Slot {
        std::uint16_t id{0};
        bool extra{false};
    };
    static constexpr std::size_t most_bytes = 256 << 10;
    static constexpr std::size_t most_packets = 64;  ///< one turn of a vif

    std::vector<std::byte> bytes = std::vector<std::byte>(most_bytes);
    std::vector<Packet> packets;
    std::vector<wire::TxAnswer> answers;
    std::vector<Slot> slots;
    std::vector<hypervisor::GrantCopy> pieces;
};

/// The half of a vif that takes the guest's packets.
class VifTx {
 public:
    struct Counts {
        std::uint64_t packets{0};
        std::uint64_t bytes{0};
        std::uint64_t errors{0};
    };

    void use(base::Mapping ring) { ring_ = BackRing<wire::TxRing>(std::move(ring)); }
    void drop() { ring_ = {}; }

    /// Copies the next packets of the guest into `scratch`, until that is full or `rate` is used up; packets of up to
    /// `most_bytes`. Returns how many; an error says how the guest broke the ring. Bounded. Hot.
    std::expected<std::size_t, std::string> gather(hypervisor::DataLane& lane, VifScratch& scratch,
                                                   std::size_t most_bytes, TokenBucket* rate, Clock::time_point now);
    /// A packet of the batch; nothing when it is bad. Counts it.
    std::optional<Frame> frame(VifScratch& scratch, std::size_t number);
    /// Answers the whole batch; whether the guest is to be rung.
    bool answer(VifScratch& scratch);

    /// Asks for a ring; false: there is work meanwhile.
    bool arm() {
        ring_.want_ring();
        return ring_.pending() == 0U;
    }
    const Counts& counts() const { return counts_; }

 private:
    std::optional<std::string> take_packet(VifScratch& scratch, std::uint32_t pending, std::size_t most_bytes);
    std::optional<std::string> take_extras(VifScratch& scratch, std::uint32_t pending, std::uint32_t& taken);
    static void add_pieces(VifScratch& scratch, VifScratch::Packet& packet, std::span<const wire::TxRequest> requests,
                           std::size_t most_bytes);

    BackRing<wire::TxRing> ring_;
    Counts counts_;
};

}  // namespace noxs
