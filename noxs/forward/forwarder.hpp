// SPDX-License-Identifier: Apache-2.0
// Chaosd's end of chaos-forward, the process that publishes guests' TCP ports on host sockets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "noxs/data_plane.hpp"
#include "noxs/forward/protocol.hpp"

namespace noxs {

/// Who connects to `listen`:`host_port` talks to `guest`:`guest_port`.
struct PublishedPort {
    Ipv4 listen;
    std::uint16_t host_port{0};
    Ipv4 guest;
    std::uint16_t guest_port{0};
    friend bool operator==(const PublishedPort&, const PublishedPort&) = default;
};

struct ForwarderSettings {
    std::string socket;   ///< where it listens
    std::string log;      ///< its standard error
    Ipv4Net address;      ///< its own in the guests' network; guests see their clients come from there
    std::string program;  ///< empty: chaos-forward beside the running program
};

/// A connection to one chaos-forward. It outlives the connection and its chaosd for as long as it has a port to publish.
/// Calls wait, for 5 s at most; main thread.
class Forwarder {
 public:
    /// To one that runs. Error: unavailable, not_found: none does; version_mismatch: of another version or with another
    /// address, `start` replaces it.
    static Result<Forwarder> connect(const ForwarderSettings& settings);
    /// To one that runs, else to a new one.
    static Result<Forwarder> start(const ForwarderSettings& settings);

    /// Returns the host's port. Errors: bad_state (port in use), permission_denied (port below 1024), invalid_argument
    /// (not an address of this host).
    Result<std::uint16_t> add(const PublishedPort& port);
    /// Error: not_found. Connections go on, unless it was the guest's last port.
    Result<void> remove(Ipv4 listen, std::uint16_t host_port);
    Result<std::vector<PublishedPort>> list();
    /// Ends it, with all connections.
    void stop();

    /// Plugs its network end into a switch; the last one counts.
    Result<std::unique_ptr<DataPlane::Uplink>> uplink() const;

    /// Readable when chaos-forward has ended.
    int fd() const { return control_.get(); }

 private:
    Forwarder(base::Fd control, const ForwarderSettings& settings)
        : control_(std::move(control)), socket_(settings.socket), address_(settings.address.address) {}
    Result<forward::Reply> receive() const;
    Result<forward::Reply> call(const forward::Request& request) const;

    base::Fd control_;
    std::string socket_;
    Ipv4 address_;
};

}  // namespace noxs
