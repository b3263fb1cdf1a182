// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/networks_host.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "noxs/uplink/tap.hpp"

namespace split {

namespace {

constexpr noxs::Ipv4Net default_address{{{10, 107, 0, 1}}, 16};
constexpr const char* tap_kind = "tap";

/// The kernel wants no device of the name "default".
std::string tap_of(const NetworkSettings& settings) {
    return settings.name == default_network ? "chaos0" : settings.name;
}

NetworkSettings plain_default() {
    NetworkSettings settings;
    settings.name = default_network;
    settings.address = default_address;
    return settings;
}

}  // namespace

Network* HostNetworks::add(NetworkSettings settings) {
    std::string name = settings.name;
    auto network = std::make_unique<Network>(std::move(settings), state_dir_, plane_, watch_.get());
    return networks_.insert_or_assign(std::move(name), std::move(network)).first->second.get();
}

Result<void> HostNetworks::restore() {
    BASE_ASSIGN(auto records, load_networks(dir_));
    if (std::ranges::none_of(records, [](const auto& record) { return record.settings.name == default_network; })) {
        records.push_back({plain_default(), {}});
    }
    for (NetworkRecord& record : records) {
        BASE_TRY(plane_.add_switch(record.settings.name));
        Network& network = *add(std::move(record.settings));
        if (const auto plugged = plug_tap(network); !plugged) {
            network.tap_error = plugged.error().message;
        }
        if (const auto published = network.ports.restore(std::move(record.forwards)); !published) {
            network.ports_error = published.error().message;
        }
        if (const std::string error = network.uplink_error(); !error.empty()) {
            base::log(base::Level::warn, words("network '", network.settings.name, "': ", error));
        }
    }
    return {};
}

Result<Network*> HostNetworks::find(std::string_view name) {
    Network* network = look(name);
    if (network == nullptr) {
        return base::fail(base::Code::not_found,
                          words("no network named '", name, "'; `chaos network list` shows them"));
    }
    return network;
}

Result<void> HostNetworks::plug_tap(const Network& network) {
    const NetworkSettings& settings = network.settings;
    if (settings.uplink == UplinkKind::none) {
        return {};
    }
    const noxs::TapSettings tap{tap_of(settings), settings.address, settings.bridge, settings.nat};
    BASE_ASSIGN(auto uplink, noxs::open_tap(tap));
    auto plugged = plane_.plug(settings.name, tap_kind, std::move(uplink));
    if (!plugged) {
        static_cast<void>(noxs::remove_tap(tap.name));
    }
    return plugged;
}

void HostNetworks::unplug_tap(const Network& network) {
    if (network.settings.uplink == UplinkKind::none) {
        return;
    }
    static_cast<void>(plane_.unplug(network.settings.name, tap_kind));  // one that could not be made again
    if (const auto removed = noxs::remove_tap(tap_of(network.settings)); !removed) {
        base::log(base::Level::warn, words("network '", network.settings.name, "': ", removed.error().message));
    }
}

/// The first range of 10.108.0.0/16, 10.109.0.0/16 ... that no network uses.
Result<void> HostNetworks::choose_address(NetworkSettings& settings) const {
    for (unsigned second = 108; second <= 255; ++second) {
        const noxs::Ipv4Net net{{{10, static_cast<std::uint8_t>(second), 0, 1}}, 16};
        const auto overlaps = [&](const auto& entry) {
            const noxs::Ipv4Net& other = entry.second->settings.address;
            return net.holds(other.address) || other.holds(net.address);
        };
        if (std::ranges::none_of(networks_, overlaps)) {
            settings.address = net;
            return {};
        }
    }
    return base::fail(base::Code::limit_reached,
                      "no range of addresses is left; name one, as in --address 192.168.5.1/24");
}

/// The host could not tell two taps with one range apart.
Result<void> HostNetworks::check_taps(const NetworkSettings& settings) const {
    for (const auto& [name, other] : networks_) {
        const noxs::Ipv4Net& net = other->settings.address;
        if (name != settings.name && settings.uplink == UplinkKind::tap && other->settings.uplink == UplinkKind::tap &&
            (net.holds(settings.address.address) || settings.address.holds(net.address))) {
            return base::fail(base::Code::invalid_argument,
                              words("address ", noxs::text_of(settings.address), " overlaps with network '", name,
                                    "' (", noxs::text_of(net), ")"));
        }
    }
    return {};
}

Result<void> HostNetworks::create(const NetworkSettings& wanted) {
    NetworkSettings settings = wanted;
    Network* known = look(settings.name);
    if (known != nullptr && (settings.name != default_network || known->settings.uplink != UplinkKind::none)) {
        return base::fail(base::Code::name_in_use, words("a network named '", settings.name, "' exists"));
    }
    if (!settings.address.address && known != nullptr) {
        settings.address = known->settings.address;
    } else if (!settings.address.address) {
        BASE_TRY(choose_address(settings));
    }
    BASE_TRY(check_network(settings));
    BASE_TRY(check_taps(settings));
    if (known != nullptr && known->addresses.in_use() && settings.address != known->settings.address) {
        return base::fail(base::Code::bad_state, "guests are on the default network; its address can't change");
    }
    if (known == nullptr) {
        BASE_TRY(plane_.add_switch(settings.name));
    }
    Network& network = known != nullptr && settings.address == known->settings.address ? *known : *add(settings);
    network.settings = settings;
    auto made = plug_tap(network);
    if (made) {
        made = save_network(dir_, network.record());
        if (!made) {
            unplug_tap(network);
        }
    }
    if (!made) {
        reset(network);
    }
    return made;
}

/// Takes a network without an uplink off; the default one stays, as it was at first.
void HostNetworks::reset(Network& network) {
    const std::string name = network.settings.name;
    if (name != default_network) {
        networks_.erase(name);
        static_cast<void>(plane_.remove_switch(name));
    } else if (network.addresses.in_use()) {
        network.settings.uplink = UplinkKind::none;
        network.settings.bridge.clear();
        network.settings.nat = false;
    } else {
        add(plain_default());
    }
}

Result<void> HostNetworks::remove(std::string_view name) {
    BASE_ASSIGN(Network * network, find(name));
    if (network->addresses.in_use()) {
        return base::fail(base::Code::bad_state,
                          words("guests are on network '", name, "'; detach or destroy them first"));
    }
    network->ports.stop();
    unplug_tap(*network);
    forget_network(dir_, network->settings.name);
    reset(*network);
    return {};
}

NetworkView HostNetworks::show(const Network& network) {
    NetworkView view{network.settings, {}, network.uplink_error(), network.ports.all()};
    if (auto status = plane_.switch_status(network.settings.name)) {
        view.status = *std::move(status);
    }
    return view;
}

Result<NetworkView> HostNetworks::view(std::string_view name) {
    BASE_ASSIGN(const Network* network, find(name));
    return show(*network);
}

std::vector<NetworkView> HostNetworks::list() {
    std::vector<NetworkView> views;
    for (const auto& [name, network] : networks_) {
        views.push_back(show(*network));
    }
    return views;
}

Result<std::unique_ptr<Networks>> Networks::open(std::string state_dir, noxs::DataPlane& plane) {
    base::Fd watch(::epoll_create1(EPOLL_CLOEXEC));
    if (!watch) {
        return base::fail_errno(errno, "epoll");
    }
    auto networks = std::make_unique<HostNetworks>(std::move(state_dir), plane, std::move(watch));
    BASE_TRY(networks->restore());
    return networks;
}

}  // namespace split
