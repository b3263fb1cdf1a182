// SPDX-License-Identifier: Apache-2.0
#include "noxs/plane/scheduler.hpp"

#include <utility>

namespace noxs {

void Scheduler::activate(DataDevice& device) {
    if (!device.schedule.active) {
        device.schedule.active = true;
        active_.push_back(&device);
    }
}

void Scheduler::expect(DataDevice& device) {
    device.schedule.expects = true;
    activate(device);
}

void Scheduler::forget(DataDevice& device) {
    std::erase(active_, &device);
    waiting_.erase({device.schedule.due, &device});
    device.schedule.active = false;
}

void Scheduler::wait_until(DataDevice& device, Clock::time_point due) {
    waiting_.erase({device.schedule.due, &device});
    device.schedule.due = due;
    waiting_.emplace(due, &device);
}

void Scheduler::wake_due(Clock::time_point now) {
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
        DataDevice* device = waiting_.begin()->second;
        waiting_.erase(waiting_.begin());
        device->schedule.due = {};
        activate(*device);
    }
}

/// Whether the device is looked at in the next round too.
bool Scheduler::keeps(DataDevice& device, const Turn& turn, Clock::time_point now) {
    if (std::exchange(device.schedule.expects, false) || turn.moved) {
        device.schedule.moved_at = now;
    }
    if (turn.moved) {
        *device.schedule.rings = 0;
    }
    switch (turn.next) {
        case Turn::Next::more: return true;
        case Turn::Next::later: wait_until(device, turn.time); return false;
        case Turn::Next::idle: break;
    }
    return now - device.schedule.moved_at < patience || !device.arm();
}

bool Scheduler::round(Clock::time_point now) {
    wake_due(now);
    bool moved = false;
    turn_.swap(active_);
    for (DataDevice* device : turn_) {
        device->schedule.active = false;
        const Turn turn = device->run(now);
        moved = moved || turn.moved;
        if (keeps(*device, turn, now)) {
            activate(*device);
        }
    }
    turn_.clear();
    return moved;
}

std::optional<Clock::time_point> Scheduler::next_due() const {
    return waiting_.empty() ? std::nullopt : std::optional(waiting_.begin()->first);
}

}  // namespace noxs
