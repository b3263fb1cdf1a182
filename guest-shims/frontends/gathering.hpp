// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "guest-shims/platform/platform.hpp"

namespace guest {

/// When a guest that frames stream through is woken: for many at once, since to sleep and to wake costs as much as some
/// hundred of them. One that found few since it last slept is woken by the next frame.
class Gathering {
 public:
    void took(std::uint32_t frames) { taken_ += frames; }

    /// Before a sleep: how many frames to wait for. Lowers `timeout` to when the guest looks whatever has come.
    std::uint32_t wanted(std::optional<Nanoseconds>& timeout) const {
        if (taken_ < stream) {
            return 1;
        }
        if (!timeout || timeout->value > longest.value) {
            timeout = longest;
        }
        return gathered;
    }
    void sleeps() { taken_ = 0; }

 private:
    static constexpr std::uint32_t stream = 16;
    static constexpr std::uint32_t gathered = 128;
    static constexpr Nanoseconds longest{200'000};

    std::uint32_t taken_{0};
};

}  // namespace guest
