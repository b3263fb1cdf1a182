// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "noxs/wire/blkif.hpp"

namespace guest {

/// Well mixed bits from a number: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators").
inline std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/// What every sector holds: words made from its number, so that one in a wrong place shows.
struct Pattern {
    std::uint64_t seed;

    static constexpr std::size_t words = noxs::wire::block_sector / sizeof(std::uint64_t);

    std::uint64_t base(std::uint64_t sector) const { return mix(mix(seed) ^ sector); }
    static std::uint64_t word(std::uint64_t base, std::size_t index) { return (base + index) * 0x9e3779b97f4a7c15; }

    void fill(std::byte* data, std::uint64_t sector, std::uint32_t sectors) const {
        auto* out = reinterpret_cast<std::uint64_t*>(data);
        for (std::uint32_t i = 0; i < sectors; ++i) {
            const std::uint64_t from = base(sector + i);
            for (std::size_t w = 0; w < words; ++w) {
                *out++ = word(from, w);
            }
        }
    }
    /// The first sector that holds something else.
    std::optional<std::uint64_t> find_wrong(const std::byte* data, std::uint64_t sector, std::uint32_t sectors) const {
        const auto* in = reinterpret_cast<const std::uint64_t*>(data);
        for (std::uint32_t i = 0; i < sectors; ++i) {
            const std::uint64_t from = base(sector + i);
            std::uint64_t different = 0;
            for (std::size_t w = 0; w < words; ++w) {
                different |= *in++ ^ word(from, w);
            }
            if (different != 0) {
                return sector + i;
            }
        }
        return std::nullopt;
    }
};

/// Numbers that look random.
class Random {
 public:
    explicit Random(std::uint64_t seed) : state_(mix(seed)) {}
    /// 0 .. limit-1; limit is not 0.
    std::uint64_t below(std::uint64_t limit) { return mix(state_++) % limit; }

 private:
    std::uint64_t state_;
};

}  // namespace guest
