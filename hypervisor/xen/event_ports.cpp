// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/event_ports.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace hypervisor::xen {

Result<base::EvtchnPort> reserve_port(const Toolstack& toolstack, base::DomId domain) {
    const int guest = ::xc_evtchn_alloc_unbound(toolstack.control(), domain.value, base::dom0.value);
    if (guest < 0) {
        return base::fail(xen_error(errno, "reserving an event channel"));
    }
    return base::EvtchnPort{static_cast<std::uint32_t>(guest)};
}

Result<void> check_port_waits(const Toolstack& toolstack, base::DomId domain, base::EvtchnPort guest) {
    xc_evtchn_status_t status{};
    status.dom = domain.value;
    status.port = guest.value;
    if (::xc_evtchn_status(toolstack.control(), &status) != 0) {
        return base::fail(xen_error(errno, "looking at an event channel"));
    }
    if (status.status != EVTCHNSTAT_unbound || status.u.unbound.dom != base::dom0.value) {
        return base::fail(base::Code::bad_state, "event channel " + std::to_string(guest.value) +
                                                     " does not wait for this domain: the guest closed it, or another "
                                                     "program holds it");
    }
    return {};
}

Result<EventPorts> EventPorts::open() {
    EventHandle handle(::xenevtchn_open(library_logger(), 0));
    if (!handle) {
        return base::fail(base::sys_error(errno, "opening /dev/xen/evtchn"));
    }
    const int fd = ::xenevtchn_fd(handle.get());
    if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
        return base::fail_errno(errno, "/dev/xen/evtchn");
    }
    return EventPorts(std::move(handle));
}

int EventPorts::fd() const {
    return ::xenevtchn_fd(handle_.get());
}

Result<EventPorts::Local> EventPorts::bind(base::DomId domain, base::EvtchnPort guest) {
    const int local = ::xenevtchn_bind_interdomain(handle_.get(), domain.value, guest.value);
    if (local < 0) {
        return base::fail(base::sys_error(errno, "binding an event channel"));
    }
    const std::lock_guard lock(state_->mutex);
    state_->channels.insert_or_assign(static_cast<Local>(local), Channel{domain, guest});
    return static_cast<Local>(local);
}

Result<EventPorts::Ends> EventPorts::open_channel(const Toolstack& toolstack, base::DomId domain) {
    BASE_ASSIGN(const auto port, reserve_port(toolstack, domain));
    BASE_ASSIGN(const auto local, bind(domain, port));
    return Ends{port, local};
}

Result<EventPorts::Local> EventPorts::rebind(const Toolstack& toolstack, base::DomId domain, base::EvtchnPort guest) {
    BASE_TRY(check_port_waits(toolstack, domain, guest));
    return bind(domain, guest);
}

void EventPorts::unbind(Local local) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->channels.erase(local);
    }
    ::xenevtchn_unbind(handle_.get(), local);
}

Result<EventPorts::Local> EventPorts::bind_domain_exceptions() {
    const int local = ::xenevtchn_bind_virq(handle_.get(), VIRQ_DOM_EXC);
    if (local < 0) {
        return base::fail(base::Code::unavailable, "another program (xenstored) has VIRQ_DOM_EXC");
    }
    return static_cast<Local>(local);
}

Result<void> EventPorts::notify(Local local) {
    if (::xenevtchn_notify(handle_.get(), local) != 0) {
        return base::fail_errno(errno, "notifying a guest");
    }
    return {};
}

// Several ports a call, which libxenevtchn does not offer: reading gives ports, writing ports lets them ring again.
Result<std::size_t> EventPorts::take(std::span<Local> rung) {
    const auto size = ::read(fd(), rung.data(), rung.size_bytes());
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR ? Result<std::size_t>(0)
                                                 : base::fail_errno(errno, "reading /dev/xen/evtchn");
    }
    return static_cast<std::size_t>(size) / sizeof(Local);
}

void EventPorts::listen_again(std::span<const Local> ports) {
    if (!ports.empty() && ::write(fd(), ports.data(), ports.size_bytes()) < 0) {
        return;  // a port among them was unbound meanwhile: the device skips it
    }
}

std::optional<EventPorts::Channel> EventPorts::find(Local local) const {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->channels.find(local);
    return found == state_->channels.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace hypervisor::xen
