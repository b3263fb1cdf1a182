// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/networks_ports.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/scope_guard.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

constexpr const char* uplink_kind = "forward";
/// A chaos-forward that lives shorter than this is not started again by itself: what ended it is still there.
constexpr std::chrono::seconds short_life{5};

noxs::PublishedPort port_of(const Forward& forward) {
    return {forward.listen, forward.host_port, forward.guest, forward.guest_port};
}

}  // namespace

NetworkPorts::NetworkPorts(std::string network, noxs::Ipv4Net address, const std::string& state_dir,
                           noxs::DataPlane& plane, int watch)
    : network_(std::move(network)),
      settings_{words(state_dir, "/forward-", network_, ".sock"), words(state_dir, "/chaos-forward.log"), address, {}},
      plane_(plane),
      watch_(watch) {}

const Forward* NetworkPorts::find(noxs::Ipv4 listen, std::uint16_t host_port) const {
    const auto found = std::ranges::find_if(
        ports_, [&](const Forward& one) { return one.listen == listen && one.host_port == host_port; });
    return found == ports_.end() ? nullptr : &*found;
}

Result<void> NetworkPorts::start() {
    if (forwarder_) {
        return {};
    }
    BASE_ASSIGN(auto forwarder, noxs::Forwarder::start(settings_));
    BASE_ASSIGN(auto uplink, forwarder.uplink());
    static_cast<void>(plane_.unplug(network_, uplink_kind));  // of one that died
    BASE_TRY(plane_.plug(network_, uplink_kind, std::move(uplink)));
    epoll_event event{};
    event.events = EPOLLRDHUP;
    ::epoll_ctl(watch_, EPOLL_CTL_ADD, forwarder.fd(), &event);
    forwarder_.emplace(std::move(forwarder));
    started_ = std::chrono::steady_clock::now();
    return publish_all();
}

// What runs already may publish some of the ports, and others that are on no record any more.
Result<void> NetworkPorts::publish_all() {
    BASE_ASSIGN(const auto published, forwarder_->list());
    const auto on_record = [&](const noxs::PublishedPort& port) {
        return std::ranges::any_of(ports_, [&](const Forward& forward) { return port_of(forward) == port; });
    };
    for (const auto& port : published) {
        if (!on_record(port)) {
            BASE_TRY(forwarder_->remove(port.listen, port.host_port));
        }
    }
    Result<void> first;
    for (const Forward& forward : ports_) {
        if (std::ranges::find(published, port_of(forward)) == published.end()) {
            auto added = forwarder_->add(port_of(forward));
            if (!added && first) {
                first = std::unexpected(std::move(added).error());
            }
        }
    }
    return first;
}

Result<Forward> NetworkPorts::add(Forward forward) {
    if (died()) {
        static_cast<void>(revive());
    }
    base::ScopeGuard unused([this] {
        if (ports_.empty()) {
            stop();
        }
    });
    BASE_TRY(start());
    BASE_ASSIGN(forward.host_port, forwarder_->add(port_of(forward)));
    ports_.push_back(forward);
    return forward;
}

void NetworkPorts::remove(noxs::Ipv4 listen, std::uint16_t host_port) {
    std::erase_if(ports_, [&](const Forward& one) { return one.listen == listen && one.host_port == host_port; });
    if (ports_.empty()) {
        stop();
    } else if (forwarder_) {
        static_cast<void>(forwarder_->remove(listen, host_port));  // one that died publishes nothing
    }
}

Result<void> NetworkPorts::restore(std::vector<Forward> ports) {
    ports_ = std::move(ports);
    if (ports_.empty()) {
        stop();
        return {};
    }
    return start();
}

void NetworkPorts::stop() {
    if (!forwarder_) {
        if (auto left = noxs::Forwarder::connect(settings_)) {
            left->stop();
        }
    } else {
        static_cast<void>(plane_.unplug(network_, uplink_kind));
        forwarder_->stop();
        forwarder_.reset();
    }
    ::unlink(settings_.socket.c_str());
}

bool NetworkPorts::died() {
    if (!forwarder_) {
        return false;
    }
    pollfd end{forwarder_->fd(), POLLRDHUP, 0};
    if (::poll(&end, 1, 0) <= 0) {
        return false;
    }
    forwarder_.reset();
    static_cast<void>(plane_.unplug(network_, uplink_kind));
    return true;
}

Result<void> NetworkPorts::revive() {
    if (std::chrono::steady_clock::now() - started_ < short_life) {
        return base::fail(
            base::Code::unavailable,
            words("chaos-forward lived for a moment only; its published ports come back with the next one that "
                  "is published (see '",
                  settings_.log, "')"));
    }
    return start();
}

}  // namespace split
