// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/ids.hpp"
#include "hypervisor/xen/libxen.hpp"

namespace hypervisor::xen {

/// Reserves a port of `domain` for this one.
Result<base::EvtchnPort> reserve_port(const Toolstack& toolstack, base::DomId domain);
/// Whether `guest`, a port of `domain`, waits for this one to bind to it. Error: bad_state.
Result<void> check_port_waits(const Toolstack& toolstack, base::DomId domain, base::EvtchnPort guest);

/// This process's ends of event channels, over /dev/xen/evtchn (linux/include/uapi/xen/evtchn.h). A port that has rung
/// is masked until `listen_again`. bind, unbind and notify from any thread; the rest from one.
class EventPorts {
 public:
    using Local = std::uint32_t;
    struct Channel {
        base::DomId domain;
        base::EvtchnPort port;  ///< the guest's end
    };

    static Result<EventPorts> open();
    EventPorts(EventPorts&&) noexcept = default;

    /// Readable when something has rung.
    int fd() const;

    /// Reserves a port of `domain` for this one, and binds it. Returns both ends.
    struct Ends {
        base::EvtchnPort guest;
        Local local;
    };
    Result<Ends> open_channel(const Toolstack& toolstack, base::DomId domain);
    /// Binds to a port of `domain` that waits for us: an earlier daemon left it.
    Result<Local> rebind(const Toolstack& toolstack, base::DomId domain, base::EvtchnPort guest);
    void unbind(Local local);

    /// Receives VIRQ_DOM_EXC ("a domain has ended"). Only one process of a host can have it. Error: unavailable.
    Result<Local> bind_domain_exceptions();

    Result<void> notify(Local local);

    /// Takes ports that have rung, as many as fit; returns how many. Never blocks.
    Result<std::size_t> take(std::span<Local> rung);
    /// Lets these ports ring again; what rang meanwhile rings at once.
    void listen_again(std::span<const Local> ports);

    /// Whose port it is; nothing for one that has been unbound since.
    std::optional<Channel> find(Local local) const;

 private:
    explicit EventPorts(EventHandle handle) : handle_(std::move(handle)), state_(std::make_unique<State>()) {}
    Result<Local> bind(base::DomId domain, base::EvtchnPort guest);

    struct State {
        std::mutex mutex;
        std::unordered_map<Local, Channel> channels;
    };
    EventHandle handle_;
    std::unique_ptr<State> state_;
};

}  // namespace hypervisor::xen
