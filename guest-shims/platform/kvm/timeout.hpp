// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "guest-shims/platform/platform.hpp"
#include "hypervisor/kvm/kvm_abi.hpp"

namespace guest::kvm {

/// `timeout` as port_wait takes it: microseconds, rounded up so that a wait is never shorter than asked for. One that
/// does not fit, above 71 minutes, ends early, as a wait may.
constexpr std::uint32_t wait_value(std::optional<Nanoseconds> timeout) {
    constexpr std::uint64_t longest = hypervisor::kvm::abi::wait_forever - 1;
    constexpr std::uint64_t ns_per_us = 1000;
    if (!timeout) {
        return hypervisor::kvm::abi::wait_forever;
    }
    const std::uint64_t us = timeout->value / ns_per_us + (timeout->value % ns_per_us != 0 ? 1 : 0);
    return static_cast<std::uint32_t>(std::min(us, longest));
}

}  // namespace guest::kvm
