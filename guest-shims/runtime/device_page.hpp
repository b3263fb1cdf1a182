// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "noxs/wire/device_page.hpp"

namespace guest {

/// The guest's reader of the device page. Copies entries out between two equal, even reads of `generation`, one
/// entry at a time, so that looking up one device touches no more of the stack than that entry. Page null, of another
/// version, or for ever half written: no devices.
class DevicePageReader {
 public:
    explicit DevicePageReader(const noxs::wire::DevicePage* page) : page_(page) {}

    /// The device of this type and id.
    std::optional<noxs::wire::DeviceEntry> find(noxs::wire::DeviceType type, std::uint32_t id) const;

    /// The device of this type with the smallest slot.
    std::optional<noxs::wire::DeviceEntry> first(noxs::wire::DeviceType type) const;

    /// Copies all devices, without empty slots, to `out`; returns how many there were room for.
    std::size_t list(std::span<noxs::wire::DeviceEntry> out) const;

    /// Changes whenever the page does: a guest that waits for hot-plugged devices compares it.
    std::uint32_t generation() const;

 private:
    template <class Visit>
    bool scan(Visit visit) const;

    const noxs::wire::DevicePage* page_;
};

}  // namespace guest
