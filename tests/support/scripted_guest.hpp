// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "noxs/wire/console_ring.hpp"
#include "noxs/wire/control_page.hpp"
#include "noxs/wire/device_page.hpp"
#include "tests/support/fake_machine.hpp"

namespace test_support {

/// The guest side of a domain of a FakeMachine, played by the test: it finds its devices as a guest does, through its
/// device page.
class ScriptedGuest {
 public:
    ScriptedGuest(FakeMachine& machine, base::DomId id);

    bool has(noxs::wire::DeviceType type) const { return entry(type) != nullptr; }
    void ready();
    /// Connects the console if it is not yet (a foreign guest has nothing to connect), and writes as much of `text` as
    /// the ring holds.
    void say(std::string_view text);
    /// What the backend put into the console's input ring.
    std::string_view input() const;
    std::uint32_t requests() const;
    /// Leaves its last words and lives on.
    void announce(noxs::wire::ShutdownReason reason, std::int32_t code = 0);
    /// Leaves its last words and exits.
    void end(noxs::wire::ShutdownReason reason, std::int32_t code = 0);

 private:
    const noxs::wire::DeviceEntry* entry(noxs::wire::DeviceType type) const;
    template <class T>
    T& page(std::uint64_t gfn) const {
        return *reinterpret_cast<T*>(guest_->memory + (gfn << base::page_shift));
    }
    template <class T>
    T& control(noxs::wire::DeviceType type) const {
        return page<T>(entry(type)->control_gfn);
    }
    void ring(noxs::wire::DeviceType type);
    bool foreign() const { return guest_->spec.kind != hypervisor::GuestKind::native; }
    noxs::wire::ConsoleRing& console_ring() const;
    void connect_console();

    FakeMachine& machine_;
    base::DomId id_;
    Guest* guest_;
};

}  // namespace test_support
