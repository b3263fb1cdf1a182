// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "guest-shims/frontends/control.hpp"
#include "guest-shims/frontends/front_ring.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/runtime/grants.hpp"
#include "noxs/wire/blkif.hpp"
#include "noxs/wire/control_page.hpp"

namespace guest {

/// The frontend of a vbd: Xen's block ring, one page. Data lies in pages of its own pool, taken from the heap and granted
/// when the device first appears, and kept. A device that is detached, attached, closed or opened again is followed by
/// `follow`; a backend that breaks the ring is left. A backend that is restarted does again what it had not answered;
/// nobody here notices. Only for vCPU 0.
class Vbd {
 public:
    static constexpr std::uint32_t max_requests = noxs::wire::block_ring_entries;
    static constexpr std::uint32_t max_request_pages = 256;
    static constexpr std::uint32_t page_sectors = noxs::wire::page_size / noxs::wire::block_sector;

    /// Serves the vbd of this id, or the first one of the device page. Of the pool of `pages` less is there where the
    /// grant table is full. Requests of more than direct_segments pages cost a page more for each that is on its way.
    Vbd(System& system, std::uint32_t pages, std::optional<std::uint32_t> id = std::nullopt);
    Vbd(const Vbd&) = delete;
    Vbd& operator=(const Vbd&) = delete;

    /// Looks at the device page, where that changed, and at the backend's state. Returns whether it connected, or
    /// is no longer connected.
    bool follow();
    /// Requests may be started; those before the backend comes wait on the ring.
    bool connected() const { return connected_ && !closing_; }

    // ---- the disk, as the backend described it when it was connected

    std::uint64_t sectors() const { return sectors_; }  ///< of 512 bytes
    std::uint32_t sector_size() const { return sector_size_; }
    bool has(noxs::wire::VbdFlag flag) const { return (flags_ & static_cast<std::uint32_t>(flag)) != 0; }
    /// Pages that one request may move.
    std::uint32_t request_pages() const { return request_pages_; }

    // ---- requests

    std::uint32_t pages() const { return pages_; }
    /// Page `index` of the pool; they lie side by side.
    std::byte* page(std::uint32_t index) const { return pool_ + std::size_t{index} * noxs::wire::page_size; }

    struct Request {
        noxs::wire::BlockOp op;  ///< read, write, flush, discard
        std::uint64_t sector{0};
        std::uint32_t sectors{0};     ///< read, write: of request_pages() pages at most; discard: any number
        std::uint32_t first_page{0};  ///< read, write: the data begins there
        std::uint32_t tag{0};         ///< comes back in Done
    };
    struct Done {
        std::uint32_t tag;
        std::int16_t status;  ///< wire::block_*
    };
    /// Puts a request on the ring; the backend hears of it at `flush`. False: the ring is full, or the request can't be
    /// said, or the device is not connected. Hot.
    bool start(const Request& request);
    /// The end of a batch: rings at most once, and only where the backend sleeps. Hot.
    void flush();
    /// The next request that is over, if there is one; its pages are nobody else's then. Those of a device that has gone
    /// end with block_error, as soon as its backend touches them no more. Hot.
    std::optional<Done> take();
    std::uint32_t outstanding() const { return static_cast<std::uint32_t>(__builtin_popcount(used_)); }
    /// Asks for a ring when something is over. False: something is already, do not sleep.
    bool arm();
    /// How long to sleep at most before `follow`; nothing: until it rings.
    std::optional<Nanoseconds> patience() const;

 private:
    void allocate(base::DomId backend);
    void look_for_device();
    void connect();
    void leave(noxs::wire::State backend);
    void disconnect(noxs::wire::State backend);
    Nanoseconds patience_left() const;
    void put_data(const Request& request, std::uint32_t id);
    bool can_be_said(const Request& request) const;
    void fill(noxs::wire::BlockSegment* segments, const Request& request, std::uint32_t count) const;

    System& system_;
    std::optional<std::uint32_t> wanted_id_;
    FollowedDevice<noxs::wire::VbdControl> device_;
    bool connected_{false};
    bool closing_{false};
    bool held_{false};  // it was left, and has not said that it lets go of our pages
    Nanoseconds closing_since_{};

    std::uint64_t sectors_{0};
    std::uint32_t sector_size_{noxs::wire::block_sector};
    std::uint32_t flags_{0};
    std::uint32_t request_pages_{noxs::wire::direct_segments};

    std::uint32_t pages_;
    noxs::wire::BlockRing* ring_page_{nullptr};
    std::byte* lists_{nullptr};  // of segments, a page for each request
    std::byte* pool_{nullptr};
    base::GrantRef* refs_{nullptr};             // of the pool
    const base::GrantRef* list_refs_{nullptr};  // null: there are none
    base::GrantRef ring_ref_{};
    FrontRing<noxs::wire::BlockRing> ring_;
    std::uint32_t used_{0};  // ids, as bits
    std::uint32_t lost_{0};  // those of a device that has gone
    std::uint32_t tags_[max_requests]{};
};

}  // namespace guest
