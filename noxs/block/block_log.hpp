// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "noxs/backend.hpp"
#include "noxs/block/block_request.hpp"
#include "noxs/data_plane.hpp"

namespace noxs {

/// Says in the log what goes wrong with a disk: the first error at once, then one line a minute at most.
class BlockLog {
 public:
    void failed(const DeviceName& device, const std::string& path, const BlockWork& work, int error,
                Clock::time_point now);

 private:
    static constexpr std::chrono::minutes interval{1};

    std::optional<Clock::time_point> said_;
    std::uint64_t unsaid_{0};
};

}  // namespace noxs
