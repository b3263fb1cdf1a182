// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

/// Microseconds between two points in time.
inline double micros(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::micro>(to - from).count();
}

/// The value below which the fraction `p` (0 .. 1) of `values` lies (nearest rank); 0 for none.
double percentile(std::vector<double> values, double p);

inline double median(const std::vector<double>& values) {
    return percentile(values, 0.5);
}

}  // namespace bench
