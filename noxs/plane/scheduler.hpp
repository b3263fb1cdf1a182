// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "noxs/plane/device.hpp"

namespace noxs {

/// Which devices are looked at. A device that had work is looked at again for a while without being asked to ring, so
/// that a busy guest makes no doorbells at all; then it is armed and costs nothing until it rings.
class Scheduler {
 public:
    /// How long a device is looked at after its last work. About what a doorbell costs both sides, asleep and awake again,
    /// where processors that have nothing to do sleep deeply: waiting longer than the doorbell would have taken never pays.
    static constexpr std::chrono::microseconds patience{40};

    void activate(DataDevice& device);
    /// Looks at the device as if it had had work now.
    void expect(DataDevice& device);
    /// Before the device is destroyed.
    void forget(DataDevice& device);

    /// One turn of each active device. Whether one moved.
    bool round(Clock::time_point now);

    bool idle() const { return active_.empty(); }
    /// When the first of the waiting devices is due.
    std::optional<Clock::time_point> next_due() const;

 private:
    bool keeps(DataDevice& device, const Turn& turn, Clock::time_point now);
    void wake_due(Clock::time_point now);
    void wait_until(DataDevice& device, Clock::time_point due);

    std::vector<DataDevice*> active_;
    std::vector<DataDevice*> turn_;  // a copy: a device may wake others in its turn
    std::set<std::pair<Clock::time_point, DataDevice*>> waiting_;
};

}  // namespace noxs
