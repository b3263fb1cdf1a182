// SPDX-License-Identifier: Apache-2.0
// Networks as they are: switches of a data plane, tap devices, chaos-forward.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "split-toolstack/networks.hpp"
#include "split-toolstack/networks_plan.hpp"
#include "split-toolstack/networks_ports.hpp"
#include "split-toolstack/networks_record.hpp"
#include "split-toolstack/words.hpp"

namespace split {

struct Network {
    Network(NetworkSettings set, const std::string& state_dir, noxs::DataPlane& plane, int watch)
        : settings(std::move(set)),
          addresses(settings.address),
          ports(settings.name, {addresses.range.forwarder(), settings.address.prefix}, state_dir, plane, watch) {}
    NetworkRecord record() const { return {settings, ports.all()}; }

    NetworkSettings settings;
    NetworkAddresses addresses;
    NetworkPorts ports;
    std::string tap_error;
    std::string ports_error;
    std::string uplink_error() const {
        return words(tap_error, tap_error.empty() || ports_error.empty() ? "" : "; ", ports_error);
    }
};

/// What a vif of a domain has taken.
struct Taken {
    std::uint32_t id;
    Network* network;
    noxs::VifSettings vif;
};

class HostNetworks final : public Networks {
 public:
    HostNetworks(std::string state_dir, noxs::DataPlane& plane, base::Fd watch)
        : state_dir_(std::move(state_dir)), dir_(state_dir_ + "/networks"), plane_(plane), watch_(std::move(watch)) {}

    Result<void> restore();

    Result<void> create(const NetworkSettings& settings) override;
    Result<void> remove(std::string_view name) override;
    Result<NetworkView> view(std::string_view name) override;
    std::vector<NetworkView> list() override;

    Result<std::vector<noxs::VifSettings>> plan(const std::vector<VifConfig>& config) override {
        return plan_vifs(config, [this](std::string_view name) -> NetworkPlace {
            Network* network = look(name);
            return network == nullptr ? NetworkPlace{} : NetworkPlace{&network->settings, &network->addresses};
        });
    }
    void take(base::DomId domain, std::uint32_t first_id, const std::vector<noxs::VifSettings>& vifs) override;
    void give_back(base::DomId domain, std::uint32_t id) override;
    void give_back(base::DomId domain) override;
    void hand_over(base::DomId from, base::DomId to) override;

    Result<Forward> publish(base::DomId domain, Forward forward) override;
    Result<void> unpublish(noxs::Ipv4 listen, std::uint16_t host_port) override;

    int poll_fd() const override { return watch_.get(); }
    void poll() override;

 private:
    Network* look(std::string_view name) {
        const auto found = networks_.find(name);
        return found == networks_.end() ? nullptr : found->second.get();
    }
    Result<Network*> find(std::string_view name);
    Result<void> choose_address(NetworkSettings& settings) const;
    Result<void> check_taps(const NetworkSettings& settings) const;
    Network* add(NetworkSettings settings);
    Result<void> plug_tap(const Network& network);
    void unplug_tap(const Network& network);
    void reset(Network& network);
    NetworkView show(const Network& network);
    Result<const Taken*> vif_of(base::DomId domain, const Forward& forward) const;
    void drop_ports(Network& network, base::DomId domain, std::optional<noxs::Ipv4> guest);
    /// What can't be written is told in the log: the network itself works.
    void save(const Network& network) const;

    std::string state_dir_, dir_;
    noxs::DataPlane& plane_;
    base::Fd watch_;
    std::map<std::string, std::unique_ptr<Network>, std::less<>> networks_;
    std::unordered_map<std::uint16_t, std::vector<Taken>> taken_;
};

}  // namespace split
