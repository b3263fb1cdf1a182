// SPDX-License-Identifier: Apache-2.0
#include "noxs/forward/helper/guest_stack.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace noxs::forward {

namespace {

in_addr wire_of(Ipv4 address) {
    in_addr wire{};
    std::memcpy(&wire, address.bytes.data(), sizeof wire);
    return wire;
}

std::int64_t now_ns(void*) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

short poll_events(int slirp) {
    return static_cast<short>(((slirp & SLIRP_POLL_IN) != 0 ? POLLIN : 0) |
                              ((slirp & SLIRP_POLL_OUT) != 0 ? POLLOUT : 0) |
                              ((slirp & SLIRP_POLL_PRI) != 0 ? POLLPRI : 0));
}

int slirp_events(short poll) {
    return ((poll & POLLIN) != 0 ? SLIRP_POLL_IN : 0) | ((poll & POLLOUT) != 0 ? SLIRP_POLL_OUT : 0) |
           ((poll & POLLPRI) != 0 ? SLIRP_POLL_PRI : 0) | ((poll & POLLERR) != 0 ? SLIRP_POLL_ERR : 0) |
           ((poll & POLLHUP) != 0 ? SLIRP_POLL_HUP : 0);
}

SlirpConfig config_of(const Ipv4Net& address) {
    SlirpConfig config{};
    config.version = SLIRP_CONFIG_VERSION_MAX;
    config.restricted = 1;
    config.in_enabled = true;
    config.vnetwork = wire_of(Ipv4::of(address.address.number() & address.mask()));
    config.vnetmask = wire_of(Ipv4::of(address.mask()));
    config.vhost = wire_of(address.address);
    config.disable_host_loopback = true;
    config.disable_dns = true;
    config.disable_dhcp = true;
    return config;
}

}  // namespace

void ignore_new_clients(std::span<pollfd> polls) {
    for (pollfd& entry : polls) {
        int listening = 0;
        socklen_t size = sizeof listening;
        if (::getsockopt(entry.fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0) {
            entry.events = 0;
        }
    }
}

// Timers are for IPv6's router advertisements only, which are off; `notify` is for threads.
const SlirpCb GuestStack::callbacks = {
    .send_packet = [](const void* frame, std::size_t size, void* self) -> ssize_t {
        static_cast<GuestStack*>(self)->send_({static_cast<const std::byte*>(frame), size});
        return static_cast<ssize_t>(size);
    },
    .guest_error = [](const char*, void*) {},  // as often as the guest likes
    .clock_get_ns = now_ns,
    .timer_new = [](SlirpTimerCb, void*, void* self) { return self; },
    .timer_free = [](void*, void*) {},
    .timer_mod = [](void*, std::int64_t, void*) {},
    .register_poll_fd = [](int, void*) {},
    .unregister_poll_fd = [](int, void*) {},
    .notify = [](void*) {},
    .init_completed = [](Slirp*, void*) {},
    .timer_new_opaque = [](SlirpTimerId, void*, void* self) { return self; },
};

Result<std::unique_ptr<GuestStack>> GuestStack::open(const Ipv4Net& address, Ipv4 guest, const SendFrame& send) {
    std::unique_ptr<GuestStack> stack(new GuestStack(guest, send));
    const SlirpConfig config = config_of(address);
    stack->slirp_.reset(::slirp_new(&config, &callbacks, stack.get()));
    if (!stack->slirp_) {
        return base::fail_errno(ENOMEM, "libslirp");
    }
    return stack;
}

Result<void> GuestStack::listen(Ipv4 listen, std::uint16_t host_port, std::uint16_t guest_port) {
    errno = 0;
    if (::slirp_add_hostfwd(slirp_.get(), 0, wire_of(listen), host_port, wire_of(guest_), guest_port) != 0) {
        return base::fail_errno(errno != 0 ? errno : EIO, "listening");
    }
    return {};
}

void GuestStack::close(Ipv4 listen, std::uint16_t host_port) {
    ::slirp_remove_hostfwd(slirp_.get(), 0, wire_of(listen), host_port);
}

void GuestStack::input(std::span<const std::byte> frame) {
    ::slirp_input(slirp_.get(), reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<int>(frame.size()));
}

void GuestStack::fill(std::vector<pollfd>& polls, std::uint32_t& timeout_ms) {
    std::uint32_t timeout = timeout_ms;
    const std::size_t before = polls.size();
    ::slirp_pollfds_fill(
        slirp_.get(), &timeout,
        [](int fd, int events, void* into) {
            auto& list = *static_cast<std::vector<pollfd>*>(into);
            list.push_back({fd, poll_events(events), 0});
            return static_cast<int>(list.size()) - 1;
        },
        &polls);
    timeout_ms = std::min(timeout_ms, timeout);
    if (polls.size() - before > most_clients) {
        ignore_new_clients(std::span(polls).subspan(before));
    }
}

void GuestStack::work(const std::vector<pollfd>& polls, bool failed) {
    ::slirp_pollfds_poll(
        slirp_.get(), failed ? 1 : 0,
        [](int index, void* list) {
            return slirp_events(
                (*static_cast<const std::vector<pollfd>*>(list))[static_cast<std::size_t>(index)].revents);
        },
        const_cast<std::vector<pollfd>*>(&polls));
}

}  // namespace noxs::forward
