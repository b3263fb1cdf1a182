// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "base/ids.hpp"
#include "guest-shims/platform/platform.hpp"
#include "guest-shims/runtime/device_page.hpp"
#include "guest-shims/runtime/shared.hpp"
#include "noxs/wire/control_page.hpp"

namespace guest {

/// The control page of `entry` as `Control` (SysctlControl, ConsoleControl ...), or null where the page does not say
/// that it is this device's, in this version. Control pages lie one to one in the guest's address space.
template <class Control>
Control* control_page(const noxs::wire::DeviceEntry& entry) {
    auto* control = reinterpret_cast<Control*>(base::gpa_of(base::Gfn{entry.control_gfn}));
    if (control == nullptr) {
        return nullptr;
    }
    const auto& header = control->header;
    const bool matches = load_acquire(header.version) == noxs::wire::version &&
                         load_relaxed(header.type) == entry.type && load_relaxed(header.id) == entry.id;
    return matches ? control : nullptr;
}

/// The device that a frontend has: the same one for as long as that is in the device page.
template <class Control>
class FollowedDevice {
 public:
    explicit operator bool() const { return control_ != nullptr; }
    const noxs::wire::DeviceEntry& entry() const { return entry_; }
    Control& control() const { return *control_; }

    /// Where the page has changed, unless it is being written. `lost()`: the device is gone. `suits(entry)`: whether this
    /// one may be taken, where there is none.
    template <class Suits, class Lost>
    void look(const DevicePageReader& page, Suits suits, Lost lost) {
        const std::uint32_t generation = page.generation();
        if (generation == generation_) {
            return;
        }
        noxs::wire::DeviceEntry entries[noxs::wire::max_devices];
        const auto count = page.list(entries);
        if (!count) {
            return;
        }
        generation_ = generation;
        const std::span listed(entries, *count);
        if (control_ != nullptr && is_still_in(listed)) {
            return;
        }
        if (control_ != nullptr) {
            control_ = nullptr;
            lost();
        }
        for (const auto& entry : listed) {
            control_ = suits(entry) ? control_page<Control>(entry) : nullptr;
            if (control_ != nullptr) {
                entry_ = entry;
                said_ = load_acquire(control_->header.frontend_state);
                return;
            }
        }
    }

    /// Tells the backend what the frontend has come to.
    void say(Platform& platform, noxs::wire::State state) {
        said_ = state;
        store_release(control_->header.frontend_state, state);
        platform.notify(base::EvtchnPort{entry_.port});
    }

 private:
    /// Where the device was removed and another of its name added between two looks, which the guest slept through, the
    /// control page does not hold what was said there.
    bool is_still_in(std::span<const noxs::wire::DeviceEntry> listed) const {
        for (const auto& entry : listed) {
            if (entry.type == entry_.type && entry.id == entry_.id) {
                return entry.control_gfn == entry_.control_gfn &&
                       load_acquire(control_->header.frontend_state) == said_;
            }
        }
        return false;
    }

    std::uint32_t generation_{1};  // odd: no settled page has it
    noxs::wire::DeviceEntry entry_{};
    Control* control_{nullptr};
    noxs::wire::State said_{noxs::wire::State::unknown};
};

}  // namespace guest
