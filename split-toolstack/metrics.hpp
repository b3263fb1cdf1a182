// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "split-toolstack/timing.hpp"
#include "split-toolstack/toolstack.hpp"

namespace split {

/// Adds one duration to the histogram of `phase`; 0 (not done) is not counted.
void count_phase(ToolstackMetrics& metrics, Phase phase, std::uint32_t ns);

/// Adds every phase but `ready`, which comes later.
void count_launch(ToolstackMetrics& metrics, const Timing& timing);

}  // namespace split
