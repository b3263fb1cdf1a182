// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/stats.hpp"

#include <algorithm>
#include <cmath>

namespace bench {

double percentile(std::vector<double> values, double p) {
    if (values.empty()) {
        return 0;
    }
    const double rank = std::ceil(p * static_cast<double>(values.size()));
    const auto index = static_cast<std::ptrdiff_t>(std::clamp(rank, 1.0, static_cast<double>(values.size()))) - 1;
    std::nth_element(values.begin(), values.begin() + index, values.end());
    return values[static_cast<std::size_t>(index)];
}

}  // namespace bench
