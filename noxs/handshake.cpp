// SPDX-License-Identifier: Apache-2.0
#include "noxs/handshake.hpp"

#include <utility>

#include "noxs/shared.hpp"

namespace noxs {

using wire::State;

Result<void> check_control(const base::Mapping& control) {
    if (control.size() < wire::page_size) {
        return base::fail(base::Code::invalid_argument, "a control page has 4096 bytes");
    }
    return {};
}

Handshake::Handshake(hypervisor::Notifier& guest, base::EvtchnPort port, base::Mapping control)
    : guest_(&guest), control_(std::move(control)), port_(port) {}

void Handshake::write_identity(wire::DeviceType type, std::uint32_t id, std::uint64_t features) {
    auto& header = page<wire::ControlHeader>();
    store_release(header.version, wire::version);
    store_release(header.type, type);
    store_release(header.id, id);
    store_release(header.backend_features, features);
}

void Handshake::init(wire::DeviceType type, std::uint32_t id) {
    write_identity(type, id, 0);
    enter(State::init_wait);
}

void Handshake::adopt(wire::DeviceType type, std::uint32_t id, std::uint64_t features) {
    const State left = load_acquire(page<wire::ControlHeader>().backend_state);
    const bool ours =
        left == State::init_wait || left == State::connected || left == State::closing || left == State::closed;
    write_identity(type, id, features);
    enter(ours ? left : State::closed);
    notify();
}

State Handshake::frontend() const {
    return load_acquire(page<wire::ControlHeader>().frontend_state);
}

Step Handshake::observe() const {
    const State said = frontend();
    const bool leaving = said == State::closing || said == State::closed;
    switch (state_) {
        case State::init_wait:
            if (said == State::connected) {
                return Step::connect;
            }
            return leaving ? Step::close : Step::none;
        case State::connected:
        case State::closing:
            if (leaving) {
                return Step::close;
            }
            [[fallthrough]];
        case State::closed: return said == State::initialising ? Step::reopen : Step::none;
        default: return Step::none;
    }
}

void Handshake::enter(State state) {
    state_ = state;
    store_release(page<wire::ControlHeader>().backend_state, state);
}

void Handshake::notify() {
    if (!guest_->notify(port_)) {
        return;
    }
}

}  // namespace noxs
