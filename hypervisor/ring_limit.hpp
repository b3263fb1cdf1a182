// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace hypervisor {

/// For this long a guest that floods its event channels is not listened to.
inline constexpr std::chrono::milliseconds ring_window{10};

/// How often one guest may ring. Single-threaded.
class RingLimit {
 public:
    /// Counts one ring; false: this guest floods, it is not to be heard until the window ends.
    bool allow(std::chrono::steady_clock::time_point now) {
        if (now - begin_ >= ring_window) {
            begin_ = now;
            rings_ = 0;
        }
        return ++rings_ <= most;
    }

 private:
    static constexpr std::uint32_t most = 200;  ///< in one window

    std::chrono::steady_clock::time_point begin_{};
    std::uint32_t rings_{0};
};

}  // namespace hypervisor
