// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/support/client.hpp"
#include "benchmarks/support/report.hpp"

namespace bench {

inline constexpr std::array phases{"reserve", "channels", "noxs_pages", "park", "parse", "claim",
                                   "record",  "image",    "devices",    "boot", "ready"};

enum class Pool { warm, empty };

/// Launches over one connection, and what chaosd itself says about each.
struct Launches {
    std::vector<double> client_us;                            // request sent until reply received
    std::array<std::vector<double>, phases.size()> phase_us;  // as chaosd timed them
    unsigned from_pool{0};
    unsigned other{0};  // not of the kind that was asked for; not in client_us

    /// One `domain.create` that should be served from such a pool; returns the id.
    base::Result<double> add(Client& client, const std::string& params, Pool pool);

    void describe(Report& report, const std::string& section) const;
};

}  // namespace bench
