// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/ids.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"
#include "hypervisor/data_lane.hpp"
#include "noxs/wire/control_page.hpp"

namespace noxs {

using base::Result;

/// What the frontend's state asks the backend to do now.
enum class Step : std::uint8_t {
    none,
    connect,  ///< the frontend has published its half: map it, then `enter(connected)`, or `enter(closing)`
    close,    ///< the frontend leaves, or answers our Closing: let go of its pages, then `enter(closed)`
    reopen,   ///< the frontend starts anew: let go of its pages, then `enter(init_wait)`
};

/// Error invalid_argument when `control` does not hold a control page.
Result<void> check_control(const base::Mapping& control);

/// The backend's half of a control page's header: XenbusState both ways. Keeps its own state and believes the page in
/// one place only, at adoption, where there is nothing else to believe.
class Handshake {
 public:
    Handshake(hypervisor::Notifier& guest, base::EvtchnPort port, base::Mapping control);

    /// Fresh page: writes the header with InitWait.
    void init(wire::DeviceType type, std::uint32_t id);
    /// The same for a page that somebody else has initialised so.
    void init_done() { state_ = wire::State::init_wait; }
    /// Live page: takes over the state in it (a state that no backend enters counts as Closed) and writes the fields
    /// of the header that are ours once more. Rings the guest: the last backend may have died before its ring.
    void adopt(wire::DeviceType type, std::uint32_t id, std::uint64_t features = 0);

    /// Looks at the frontend's state once.
    Step observe() const;

    /// Publishes the backend's state without waking the guest.
    void enter(wire::State state);
    /// Rings the guest. A guest that is gone hears nothing, and that is no error.
    void notify();
    /// Lets go of the control page, which stays as it is. Nothing else may be called afterwards.
    void let_go() { control_ = {}; }

    wire::State state() const { return state_; }
    /// What the frontend says its state is, whatever that may be.
    wire::State frontend() const;

    /// The control page as its concrete structure.
    template <class Control>
    Control& page() const {
        return *control_.at<Control>();
    }

 private:
    void write_identity(wire::DeviceType type, std::uint32_t id, std::uint64_t features);

    hypervisor::Notifier* guest_;
    base::Mapping control_;
    base::EvtchnPort port_;
    wire::State state_{wire::State::unknown};
};

}  // namespace noxs
