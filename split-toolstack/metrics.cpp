// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/metrics.hpp"

#include <algorithm>
#include <bit>

namespace split {

void count_phase(ToolstackMetrics& metrics, Phase phase, std::uint32_t ns) {
    if (ns == 0) {
        return;
    }
    const auto at = static_cast<std::size_t>(phase);
    auto& buckets = metrics.phase_us[at];
    const std::uint64_t us = (std::uint64_t{ns} + 999) / 1000;
    // Bucket i counts what takes at most 2^i us; the last one what takes longer than all others.
    const std::size_t bucket = us <= 1 ? 0 : static_cast<std::size_t>(std::bit_width(us - 1));
    ++buckets[std::min(bucket, buckets.size() - 1)];
    metrics.phase_sum_us[at] += us;
}

void count_launch(ToolstackMetrics& metrics, const Timing& timing) {
    for (std::size_t i = 0; i < phase_count; ++i) {
        const auto phase = static_cast<Phase>(i);
        if (phase != Phase::ready) {
            count_phase(metrics, phase, timing[i]);
        }
    }
}

}  // namespace split
