// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "guest-shims/frontends/control.hpp"
#include "guest-shims/frontends/front_ring.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/runtime/grants.hpp"
#include "noxs/wire/control_page.hpp"
#include "noxs/wire/netif.hpp"

namespace guest {

/// What the toolstack gave a vif. Addresses in network byte order, zero: none.
struct VifAddress {
    std::uint8_t mac[6];
    std::uint16_t mtu;  ///< at most Vif::max_mtu
    std::uint8_t ipv4[4];
    std::uint8_t gateway[4];
    std::uint8_t prefix;
};

/// Frames of a vif, since it was made.
struct VifCounters {
    std::uint64_t received{0};
    std::uint64_t sent{0};
    std::uint64_t bad{0};  ///< responses that were errors, or of several slots, which this frontend does not ask for
};

/// The frontend of a vif: Xen's netif rings, one queue, one slot a frame. Its pages are taken from the heap and granted
/// when its device first appears, and kept. A device that is detached, attached, closed or opened again is followed by
/// `follow`; a backend that breaks a ring is left. Only for vCPU 0.
class Vif {
 public:
    static constexpr std::size_t tx_buffer_size = 2048;
    static constexpr std::uint16_t max_mtu = 1500;
    static constexpr std::uint32_t max_buffers = noxs::wire::net_ring_entries;

    /// How many frames can wait, 1 to max_buffers each way: a page for each that comes, half a page for each that goes.
    /// Fewer where the grant table is full.
    struct Pools {
        std::uint32_t rx{64};
        std::uint32_t tx{64};
    };

    /// Serves the first vif of the device page that `other` does not serve.
    Vif(System& system, Pools pools, const Vif* other = nullptr);
    Vif(const Vif&) = delete;
    Vif& operator=(const Vif&) = delete;

    /// Looks at the device page, where that changed, and at the backend's state. Returns whether it connected, or
    /// is no longer connected.
    bool follow();
    /// Frames may be sent; those sent before the backend comes wait on the ring.
    bool connected() const { return connected_; }
    /// Of the last device that was connected.
    const VifAddress& address() const { return address_; }
    bool uses(noxs::wire::VifFeature feature) const { return (features_ & static_cast<std::uint64_t>(feature)) != 0; }

    /// A frame that came in. The buffer is the caller's until it is given back.
    struct Received {
        std::uint32_t buffer;
        std::span<std::byte> bytes;
        bool checksum_good;   ///< of TCP and UDP: checked, or blank
        bool checksum_blank;  ///< never left this machine: holds the pseudo-header's sum
    };
    /// The next frame, if there is one. Hot.
    std::optional<Received> receive();
    /// The backend gets the buffer again at `flush`. Hot.
    void give_back(std::uint32_t buffer);
    /// Buffers that the backend can write to.
    std::uint32_t posted() const { return connected_ ? rx_ring_.unanswered() : 0; }
    std::uint32_t rx_buffers() const { return static_cast<std::uint32_t>(rx_.size()); }

    /// Where the next frame is written to; empty while all buffers are on their way. Hot.
    std::span<std::byte> room();
    enum class Checksum : std::uint8_t {
        complete,
        blank,  ///< the field of the TCP or UDP checksum holds the pseudo-header's sum; needs tx_checksum
    };
    /// Sends the first `size` bytes of `room()`, 1 to tx_buffer_size. The backend hears at `flush`. Hot.
    void send(std::size_t size, Checksum checksum);
    /// The end of a batch: rings at most once, and only where the backend sleeps. Hot.
    void flush();

    enum class Until : std::uint8_t { frame, frame_or_room };
    /// Asks for a ring when there is what the caller waits for: `frames`, or room. False: it is there already, do not
    /// sleep.
    bool arm(Until until, std::uint32_t frames = 1);

    const VifCounters& counters() const { return counters_; }

 private:
    enum class RxState : std::uint8_t { free, posted, lent };
    struct RxBuffer {
        std::byte* page;
        base::GrantRef ref;
        RxState state;
    };
    struct TxBuffer {
        std::byte* bytes;
        base::GrantRef ref;
        bool sent;
    };

    void allocate();
    bool grant(base::DomId backend);
    void look_for_device();
    void connect();
    void disconnect();
    void forget_backend();
    void post(std::uint32_t buffer);
    void reclaim();

    System& system_;
    const Vif* other_;
    Pools pools_;
    FollowedDevice<noxs::wire::VifControl> device_;
    bool connected_{false};
    std::uint64_t features_{0};
    VifAddress address_{};
    VifCounters counters_;

    noxs::wire::TxRing* tx_page_{nullptr};
    noxs::wire::RxRing* rx_page_{nullptr};
    GrantTable grants_;
    std::optional<base::GrantRef> tx_page_ref_;
    std::optional<base::GrantRef> rx_page_ref_;
    FrontRing<noxs::wire::TxRing> tx_ring_;
    FrontRing<noxs::wire::RxRing> rx_ring_;
    std::span<RxBuffer> rx_;
    std::span<TxBuffer> tx_;
    std::span<std::uint32_t> tx_free_;  ///< a stack of numbers of tx_ ...
    std::uint32_t tx_free_count_{0};    ///< ... of this height
};

}  // namespace guest
