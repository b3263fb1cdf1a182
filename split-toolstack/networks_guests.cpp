// SPDX-License-Identifier: Apache-2.0
// What guests have of their networks: addresses and published ports.
#include <algorithm>
#include <iterator>

#include "base/log.hpp"
#include "split-toolstack/networks_host.hpp"

namespace split {

void HostNetworks::take(base::DomId domain, std::uint32_t first_id, const std::vector<noxs::VifSettings>& vifs) {
    std::uint32_t id = first_id;
    for (const noxs::VifSettings& vif : vifs) {
        if (Network* network = look(vif.network)) {
            network->addresses.take(vif);
            taken_[domain.value].push_back({id, network, vif});
        }
        ++id;
    }
}

void HostNetworks::give_back(base::DomId domain, std::uint32_t id) {
    const auto found = taken_.find(domain.value);
    if (found == taken_.end()) {
        return;
    }
    std::erase_if(found->second, [&](const Taken& taken) {
        if (taken.id == id) {
            taken.network->addresses.give_back(taken.vif);
            drop_ports(*taken.network, domain, taken.vif.ipv4.address);
        }
        return taken.id == id;
    });
    if (found->second.empty()) {
        taken_.erase(found);
    }
}

void HostNetworks::give_back(base::DomId domain) {
    if (const auto found = taken_.find(domain.value); found != taken_.end()) {
        for (const Taken& taken : found->second) {
            taken.network->addresses.give_back(taken.vif);
        }
        taken_.erase(found);
    }
    for (const auto& [name, network] : networks_) {
        drop_ports(*network, domain, std::nullopt);
    }
}

void HostNetworks::drop_ports(Network& network, base::DomId domain, std::optional<noxs::Ipv4> guest) {
    std::vector<Forward> gone;
    std::ranges::copy_if(network.ports.all(), std::back_inserter(gone), [&](const Forward& forward) {
        return forward.domain == domain && (!guest || forward.guest == *guest);
    });
    for (const Forward& forward : gone) {
        network.ports.remove(forward.listen, forward.host_port);
    }
    if (!gone.empty()) {
        save(network);
    }
}

void HostNetworks::hand_over(base::DomId from, base::DomId to) {
    if (auto node = taken_.extract(from.value)) {
        node.key() = to.value;
        std::uint32_t id = 0;
        for (Taken& taken : node.mapped()) {
            taken.id = id++;
        }
        taken_.insert(std::move(node));
    }
    for (const auto& [name, network] : networks_) {
        bool changed = false;
        for (Forward& forward : network->ports.all()) {
            if (forward.domain == from) {
                forward.domain = to;
                changed = true;
            }
        }
        if (changed) {
            save(*network);
        }
    }
}

void HostNetworks::save(const Network& network) const {
    if (const auto saved = save_network(dir_, network.record()); !saved) {
        base::log(base::Level::warn, saved.error().message);
    }
}

Result<const Taken*> HostNetworks::vif_of(base::DomId domain, const Forward& forward) const {
    const auto found = taken_.find(domain.value);
    if (found != taken_.end()) {
        for (const Taken& taken : found->second) {
            const noxs::Ipv4 ip = taken.vif.ipv4.address;
            if (ip && (!forward.guest || forward.guest == ip) &&
                (forward.network.empty() || forward.network == taken.network->settings.name)) {
                return &taken;
            }
        }
    }
    return base::fail(
        base::Code::bad_state,
        forward.guest ? words("domain ", domain.value, " has no vif with the address ", noxs::text_of(forward.guest))
                      : words("domain ", domain.value, " has no vif, so no port to publish"));
}

Result<Forward> HostNetworks::publish(base::DomId domain, Forward forward) {
    if (forward.guest_port == 0) {
        return base::fail(base::Code::invalid_argument, "the guest's port is 0; expected 1 to 65535");
    }
    BASE_ASSIGN(const Taken* taken, vif_of(domain, forward));
    for (const auto& [name, network] : networks_) {
        const Forward* other =
            forward.host_port == 0 ? nullptr : network->ports.find(forward.listen, forward.host_port);
        if (other != nullptr) {
            return base::fail(base::Code::bad_state,
                              words("port ", noxs::text_of(other->listen), ":", other->host_port,
                                    " of the host is published already, for domain ", other->domain.value,
                                    "; choose another, or 0 for any that is free"));
        }
    }
    forward.domain = domain;
    forward.network = taken->network->settings.name;
    forward.guest = taken->vif.ipv4.address;
    BASE_ASSIGN(forward, taken->network->ports.add(std::move(forward)));
    taken->network->ports_error.clear();
    if (auto saved = save_network(dir_, taken->network->record()); !saved) {
        taken->network->ports.remove(forward.listen, forward.host_port);
        return std::unexpected(std::move(saved).error());
    }
    return forward;
}

Result<void> HostNetworks::unpublish(noxs::Ipv4 listen, std::uint16_t host_port) {
    for (const auto& [name, network] : networks_) {
        if (network->ports.find(listen, host_port) != nullptr) {
            network->ports.remove(listen, host_port);
            save(*network);
            return {};
        }
    }
    return base::fail(base::Code::not_found,
                      words("port ", noxs::text_of(listen), ":", host_port, " is not published"));
}

void HostNetworks::poll() {
    for (const auto& [name, network] : networks_) {
        if (network->ports.died()) {
            const auto revived = network->ports.revive();
            network->ports_error = revived ? std::string() : revived.error().message;
            base::log(base::Level::warn, words("network '", name, "': ",
                                               revived ? "chaos-forward, which publishes ports, died; started anew"
                                                       : network->ports_error));
        }
    }
}

}  // namespace split
