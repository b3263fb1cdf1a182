// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "hypervisor/data_lane.hpp"
#include "noxs/back_ring.hpp"
#include "noxs/switch/port.hpp"
#include "noxs/wire/control_page.hpp"
#include "noxs/wire/netif.hpp"

namespace noxs {

/// The half of a vif that gives packets to the guest. Where a copy costs a call to the hypervisor they are kept and
/// copied together at `settle`.
class VifRx {
 public:
    struct Counts {
        std::uint64_t packets{0};
        std::uint64_t bytes{0};
        std::uint64_t dropped_no_buffer{0};
        std::uint64_t errors{0};
    };
    enum class Done : std::uint8_t { delivered, dropped, broken };

    /// `features`: bits of wire::VifFeature that the guest uses.
    void use(base::Mapping ring, std::uint64_t features);
    void drop();

    /// Puts the frame into the buffers that the guest has posted; broken: its index is impossible. Hot.
    Done put(hypervisor::DataLane& lane, const Frame& frame);
    /// Publishes what was put; whether the guest is to be rung. Hot.
    bool settle(hypervisor::DataLane& lane);

    /// Requests that the guest has posted and that were not used.
    std::optional<std::uint32_t> posted() const { return ring_.pending(); }
    const Counts& counts() const { return counts_; }

 private:
    /// Copies that are planned, and the responses that tell of them: one each.
    struct Stage {
        std::vector<hypervisor::GrantCopy> pieces;
        std::vector<wire::RxResponse> responses;
        std::vector<std::byte> bytes;  ///< of frames that are kept; its capacity is fixed
    };
    static constexpr std::size_t stage_bytes = 128 << 10;

    std::byte* keep(const Frame& frame, bool fill, bool in_place);
    void plan(const Frame& frame, std::byte* bytes, std::uint32_t slots, bool blank);
    void execute(hypervisor::DataLane& lane);

    BackRing<wire::RxRing> ring_;
    std::unique_ptr<Stage> stage_;
    Counts counts_;
    bool scatter_gather_{false};
    bool checksum_{false};
};

}  // namespace noxs
