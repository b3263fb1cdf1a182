// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "noxs/plane/device.hpp"

namespace noxs {

/// Stands for a device that can't be served, so that its guest and `status` are told why.
class DeadDevice final : public DataDevice {
 public:
    explicit DeadDevice(DeviceParams params) : DataDevice(std::move(params)) {}

 private:
    Result<void> connect() override { return base::fail(base::Code::bad_state, "not served"); }
    void disconnect() override {}
    Turn serve(Clock::time_point) override { return Turn::idle(); }
    bool arm_rings() override { return true; }
    Counters counters() const override { return {}; }
};

}  // namespace noxs
