// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "noxs/wire/device_page.hpp"

namespace guest {

/// The guest's reader of the device page. Copies entries out between two equal, even reads of `generation`. Page null or of
/// another version: no devices.
class DevicePageReader {
 public:
    explicit DevicePageReader(const noxs::wire::DevicePage* page) : page_(page) {}

    /// The device of this type with the smallest slot. For a guest that boots: waits while the page is being written.
    std::optional<noxs::wire::DeviceEntry> first(noxs::wire::DeviceType type) const;

    /// Copies all devices, without empty slots, to `out`; returns how many there were room for. Nothing: the page is being
    /// written, by somebody who may have been interrupted or killed. Whoever ends that rings the port of sysctl; what was
    /// known before holds until then.
    std::optional<std::size_t> list(std::span<noxs::wire::DeviceEntry> out) const;

    /// Changes whenever the page does: a guest that waits for hot-plugged devices compares it.
    std::uint32_t generation() const;

 private:
    template <class Visit>
    bool try_scan(Visit visit) const;

    const noxs::wire::DevicePage* page_;
};

}  // namespace guest
