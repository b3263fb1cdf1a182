// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "noxs/console.hpp"
#include "noxs/handshake.hpp"
#include "noxs/wire/device_page.hpp"

namespace noxs {

/// Backend of the console of a noxs guest: finds the ring by the handshake of its control page. Small while idle
/// (below 256 bytes with its path): the log is made at the first output.
class ConsoleBackend final : public Console {
 public:
    /// On a control page that is all zero: writes the header with InitWait.
    static Result<std::unique_ptr<ConsoleBackend>> create(hypervisor::Domain& domain, const wire::DeviceEntry& entry,
                                                          base::Mapping control, BackendListener& listener,
                                                          Settings settings);
    /// On the page of a guest that may run already: maps its ring again (the grant is checked again) and goes on where
    /// the last backend stopped. Bytes that a killed daemon had kept but not taken off the ring come once more.
    static Result<std::unique_ptr<ConsoleBackend>> adopt(hypervisor::Domain& domain, const wire::DeviceEntry& entry,
                                                         base::Mapping control, BackendListener& listener,
                                                         Settings settings);

    bool connected() const { return handshake_.state() == wire::State::connected; }

 private:
    ConsoleBackend(hypervisor::Domain& domain, const wire::DeviceEntry& entry, base::Mapping control,
                   BackendListener& listener, Settings settings);
    void follow_guest() override;
    void on_broken() override { leave(wire::State::closing); }
    void leave(wire::State next);
    Result<void> map_ring();
    void connect();
    void close();
    wire::ConsoleControl& control() const { return handshake_.page<wire::ConsoleControl>(); }

    Handshake handshake_;
};

}  // namespace noxs
