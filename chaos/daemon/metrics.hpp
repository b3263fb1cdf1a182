// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "split-toolstack/toolstack.hpp"

namespace chaos {

/// What the daemon itself counts.
struct DaemonMetrics {
    std::uint64_t requests{0};
    std::uint64_t failed_requests{0};
    std::uint64_t connections{0};  ///< now
    std::uint64_t events{0};
    std::uint64_t reopened{0};  ///< times that the hypervisor was lost
};

/// Prometheus text format, version 0.0.4.
std::string metrics_text(const split::ToolstackMetrics& toolstack, const noxs::DeviceTotals& devices,
                         const std::vector<split::FlavourStatus>& pool, const std::vector<split::NetworkView>& networks,
                         const DaemonMetrics& daemon);

}  // namespace chaos
