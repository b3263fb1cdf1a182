// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string_view>

#include "noxs/data_plane.hpp"

namespace noxs {

/// Adds the counters of a device to `totals`, by their names.
inline void add_to(DeviceTotals& totals, const DeviceStatus& device) {
    constexpr std::string_view now = "in_flight";  // comes and goes: no sum
    Counters& sums = device.entry.type == wire::DeviceType::vif ? totals.vifs : totals.vbds;
    for (std::size_t i = 0; i < device.counters.size(); ++i) {
        const auto& [name, count] = device.counters[i];
        const bool usual = i < sums.size() && sums[i].first == name;  // all of a type tell the same in the same order
        const auto sum = usual ? sums.begin() + static_cast<std::ptrdiff_t>(i)
                               : std::ranges::find(sums, name, &Counters::value_type::first);
        if (sum != sums.end()) {
            sum->second += count;
        } else if (name != now) {
            sums.emplace_back(name, count);
        }
    }
}

}  // namespace noxs
