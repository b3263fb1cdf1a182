// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace guest {

/// How often which number of microseconds came, to a sixteenth of it.
class Latencies {
 public:
    void add(std::uint64_t us) {
        ++counts_[bucket(us)];
        ++total_;
        max_ = us > max_ ? us : max_;
    }
    /// The number that `percent` of all do not exceed; 0 where there are none.
    std::uint64_t percentile(unsigned percent) const {
        std::uint64_t left = total_ * percent / 100;
        for (std::size_t i = 0; i < buckets; ++i) {
            if (counts_[i] > left) {
                return lowest(i);
            }
            left -= counts_[i];
        }
        return max_;
    }
    std::uint64_t max() const { return max_; }

 private:
    static constexpr unsigned fine_bits = 4;
    static constexpr unsigned most_bits = 32;
    static constexpr std::size_t buckets = (most_bits - fine_bits + 1) << fine_bits;

    static std::size_t bucket(std::uint64_t us) {
        const std::uint64_t value = us >> most_bits == 0 ? us : (std::uint64_t{1} << most_bits) - 1;
        if (value >> fine_bits == 0) {
            return value;
        }
        const auto shift = static_cast<unsigned>(63 - __builtin_clzll(value)) - fine_bits;
        return (std::size_t{shift} << fine_bits) + (value >> shift);
    }
    static std::uint64_t lowest(std::size_t bucket) {
        if (bucket >> (fine_bits + 1) == 0) {
            return bucket;
        }
        const std::size_t shift = (bucket >> fine_bits) - 1;
        return (bucket - (shift << fine_bits)) << shift;
    }

    std::uint64_t counts_[buckets]{};
    std::uint64_t total_{0};
    std::uint64_t max_{0};
};

}  // namespace guest
