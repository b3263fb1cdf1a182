// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "noxs/wire/device_page.hpp"

namespace noxs {

using base::Result;

/// The toolstack's side of one guest's device page: holds what the page shall say and writes it. Never reads the
/// shared page. Single-threaded.
class PageWriter {
 public:
    /// Writes `bytes` at `offset` of the page. A range of 4 aligned bytes is written by one store; a call is done
    /// before it returns, so that the guest sees calls in their order.
    using Write = std::function<Result<void>(std::size_t offset, std::span<const std::byte> bytes)>;

    /// For a page that is all zero and that nobody reads yet.
    PageWriter() = default;

    /// For a page that another writer left at `generation` (it died, or this daemon is its successor): the first
    /// `publish` writes every slot anew.
    static PageWriter take_over(std::uint32_t generation);

    /// Puts a device into the first free slot; the guest sees it after `publish`. Errors: invalid_argument (type none,
    /// or a reserved field that is not 0), name_in_use (this type and id), limit_reached (wire::max_devices).
    Result<void> add(const wire::DeviceEntry& entry);

    /// Frees the slot of the device with this type and this id. Error: not_found.
    Result<void> remove(wire::DeviceType type, std::uint32_t id);

    /// The entry of this type and id, or null. Valid until the next change.
    const wire::DeviceEntry* find(wire::DeviceType type, std::uint32_t id) const;

    /// Devices in the table.
    std::size_t devices() const;
    /// Slots in use or empty, as the page says it: one past the last used slot.
    std::uint32_t count() const;
    /// What the page says after the last `publish`; even, except where that one failed half-way.
    std::uint32_t generation() const { return generation_; }

    /// Writes what changed since the last time: a page that was never written in one go, a live one between an odd and
    /// an even generation. Nothing to write: writes nothing. After an error of `write` call it again.
    Result<void> publish(const Write& write);
    /// The same into the device page of `domain`.
    Result<void> publish(hypervisor::Domain& domain);

    /// The whole page as `publish` leaves it.
    wire::DevicePage image() const;

 private:
    enum class Peer { none, live };

    Result<void> publish_fresh(const Write& write);
    Result<void> publish_live(const Write& write);
    void touch(std::size_t slot);

    std::vector<wire::DeviceEntry> slots_;
    std::uint32_t generation_{0};
    std::uint32_t dirty_first_{0};  // slots [dirty_first_, dirty_end_) differ from the page
    std::uint32_t dirty_end_{0};
    Peer peer_{Peer::none};
};

}  // namespace noxs
