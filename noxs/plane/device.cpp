// SPDX-License-Identifier: Apache-2.0
#include "noxs/plane/device.hpp"

#include <utility>

#include "base/log.hpp"
#include "noxs/shared.hpp"

namespace noxs {

using wire::State;

DataDevice::DataDevice(DeviceParams params)
    : host_(&params.host),
      lane_(&params.lane),
      entry_(params.entry),
      handshake_(params.lane, base::EvtchnPort(params.entry.port), std::move(params.control)),
      features_(params.features),
      origin_(params.origin) {}

void DataDevice::begin() {
    if (!stopped_.empty()) {
        return;
    }
    if (origin_ == Origin::fresh) {
        handshake_.init_done();
        return;
    }
    handshake_.adopt(entry_.type, entry_.id, features_);
    if (handshake_.state() == State::connected) {
        establish();
    }
}

std::uint64_t DataDevice::chosen_features() const {
    return load_acquire(handshake_.page<wire::ControlHeader>().frontend_features) & features_;
}

void DataDevice::establish() {
    if (const auto done = connect(); !done) {
        stop(done.error().message);
        return;
    }
    connected_ = true;
    if (handshake_.state() != State::connected) {
        handshake_.enter(State::connected);
        handshake_.notify();
    }
}

/// Its pages are let go of before the guest is told.
void DataDevice::leave(State next) {
    connected_ = false;
    disconnect();
    leaving_ = next;
    settle();
}

/// Enters the state that is owed to the guest, once nothing of its pages is in use.
void DataDevice::settle() {
    if (leaving_ == State::unknown || !quiet()) {
        return;
    }
    const State next = std::exchange(leaving_, State::unknown);
    handshake_.enter(closing_ ? State::closed : next);
    handshake_.notify();
    if (handshake_.state() == State::closed && std::exchange(closing_, false)) {
        host_->on_closed(*this);
    }
}

/// Steps of the handshake are no progress: a guest that only connects and leaves again is one that rings without end.
void DataDevice::follow_guest() {
    if (leaving_ != State::unknown) {
        settle();
        return;
    }
    switch (handshake_.observe()) {
        case Step::none: return;
        case Step::connect:
            if (stopped_.empty()) {
                establish();
            }
            return;
        case Step::close: leave(State::closed); return;
        case Step::reopen:
            if (stopped_.empty() && !closing_) {
                leave(State::init_wait);
            }
            return;
    }
}

Turn DataDevice::run(Clock::time_point now) {
    if (retired_) {
        return Turn::idle();
    }
    follow_guest();
    return connected_ ? serve(now) : Turn::idle();
}

bool DataDevice::arm() {
    return !connected_ || arm_rings();
}

/// A device that no frontend has touched is closed at once; a connected one is served until its guest leaves.
void DataDevice::begin_close() {
    const bool untouched = handshake_.state() == State::init_wait && handshake_.frontend() == State::unknown;
    if (untouched) {
        handshake_.enter(State::closed);
    }
    const bool dead = !stopped_.empty() && leaving_ == State::unknown;
    if (dead || handshake_.state() == State::closed) {
        host_->on_closed(*this);
        return;
    }
    closing_ = true;
    if (leaving_ == State::unknown && handshake_.state() != State::closing) {
        handshake_.enter(State::closing);
        handshake_.notify();
    }
}

void DataDevice::retire() {
    retired_ = true;
    connected_ = false;
    disconnect();
    handshake_.let_go();  // Xen keeps a domain for as long as a page of it is mapped
}

void DataDevice::stop(std::string why) {
    if (!stopped_.empty()) {
        return;
    }
    stopped_ = std::move(why);
    base::log(base::Level::warn, "domain " + std::to_string(lane_->domain().value) + ": " +
                                     std::string(type_name(entry_.type)) + " " + std::to_string(entry_.id) +
                                     " stopped: " + stopped_);
    leave(State::closing);
    host_->on_stopped(*this);
}

DeviceStatus DataDevice::status() const {
    return {entry_, handshake_.state(), handshake_.frontend(), stopped_, counters()};
}

}  // namespace noxs
