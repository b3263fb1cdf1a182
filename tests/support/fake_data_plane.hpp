// SPDX-License-Identifier: Apache-2.0
// A data plane that moves nothing: it keeps what it is told, and says what a test lets it say.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "noxs/data_plane.hpp"

namespace test_support {

/// What a FakeDataPlane was told: outlives it.
struct FakePlaneState {
    struct Device {
        noxs::DeviceOrder order;
        bool closing{false};
        bool busy{false};  ///< with requests that the disk is slow to do
        std::string stopped{};
    };
    struct Switch {
        std::map<std::string, std::unique_ptr<noxs::DataPlane::Uplink>> uplinks{};
    };

    std::map<std::uint16_t, std::unique_ptr<hypervisor::DataLane>> lanes;
    std::map<std::uint16_t, std::vector<Device>> devices;
    std::map<std::string, Switch> switches;
    std::vector<noxs::DeviceName> closed;                           ///< told by the next poll
    std::vector<std::pair<noxs::DeviceName, std::string>> stopped;  ///< the same
    std::vector<std::string> mistakes;                              ///< calls that the contract forbids
    base::Fd bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    Device* find(const noxs::DeviceName& name) {
        for (Device& device : devices[name.domain.value]) {
            if (device.order.entry.type == name.type && device.order.entry.id == name.id) {
                return &device;
            }
        }
        return nullptr;
    }
    void ring() const {
        const std::uint64_t one = 1;
        static_cast<void>(::write(bell.get(), &one, sizeof one));
    }
    /// The guest lets go of a device.
    void let_go(const noxs::DeviceName& name) {
        closed.push_back(name);
        ring();
    }
    void stop(const noxs::DeviceName& name, const std::string& why) {
        if (Device* device = find(name)) {
            device->stopped = why;
        }
        stopped.emplace_back(name, why);
        ring();
    }
};

class FakeDataPlane final : public noxs::DataPlane {
 public:
    explicit FakeDataPlane(std::shared_ptr<FakePlaneState> state) : state_(std::move(state)) {}
    ~FakeDataPlane() override {
        state_->lanes.clear();
        state_->devices.clear();
        state_->switches.clear();
    }

    base::Result<void> add_switch(const std::string& name) override {
        if (!state_->switches.try_emplace(name).second) {
            return base::fail(base::Code::name_in_use, "switch '" + name + "' exists");
        }
        return {};
    }
    base::Result<void> remove_switch(const std::string& name) override {
        BASE_TRY(find(name));
        if (ports(name) != 0) {
            return base::fail(base::Code::bad_state, "vifs are plugged in");
        }
        state_->switches.erase(name);
        return {};
    }
    base::Result<noxs::SwitchStatus> switch_status(const std::string& name) override {
        BASE_TRY(find(name));
        return noxs::SwitchStatus{.name = name, .ports = ports(name), .learned = 0, .counters = {{"frames", 7}}};
    }
    base::Result<void> plug(const std::string& switch_name, const std::string& kind,
                            std::unique_ptr<Uplink> uplink) override {
        BASE_ASSIGN(auto* found, find(switch_name));
        if (!found->uplinks.try_emplace(kind, std::move(uplink)).second) {
            return base::fail(base::Code::name_in_use, "an uplink '" + kind + "' is plugged in");
        }
        return {};
    }
    base::Result<void> unplug(const std::string& switch_name, const std::string& kind) override {
        BASE_ASSIGN(auto* found, find(switch_name));
        if (found->uplinks.erase(kind) == 0) {
            return base::fail(base::Code::not_found, "no uplink '" + kind + "'");
        }
        return {};
    }

    void add_domain(std::unique_ptr<hypervisor::DataLane> lane) override {
        const auto id = lane->domain().value;
        if (!state_->lanes.try_emplace(id, std::move(lane)).second) {
            state_->mistakes.push_back("add_domain twice");
        }
    }
    void add(noxs::DeviceOrder order) override {
        const auto domain = order.domain.value;
        if (!state_->lanes.contains(domain)) {
            state_->mistakes.push_back("add before add_domain");
        }
        state_->devices[domain].push_back({std::move(order)});
    }
    void close(const noxs::DeviceName& device) override {
        if (auto* found = state_->find(device)) {
            found->closing = true;
        }
    }
    /// What is busy says later, by `let_go`, that it is not any more.
    void cut(const noxs::DeviceName& device) override {
        const auto* found = state_->find(device);
        const bool busy = found != nullptr && found->busy;
        remove(device);
        if (found != nullptr && !busy) {
            state_->let_go(device);
        }
    }
    void remove(const noxs::DeviceName& device) override {
        std::erase_if(state_->devices[device.domain.value], [&](const auto& one) {
            return one.order.entry.type == device.type && one.order.entry.id == device.id;
        });
    }
    void remove_domain(base::DomId domain) override {
        state_->devices.erase(domain.value);
        state_->lanes.erase(domain.value);
    }
    std::vector<noxs::DeviceStatus> status(base::DomId domain) override {
        std::vector<noxs::DeviceStatus> all;
        for (const auto& device : state_->devices[domain.value]) {
            all.push_back({.entry = device.order.entry,
                           .backend = noxs::wire::State::init_wait,
                           .frontend = noxs::wire::State::unknown,
                           .stopped = device.stopped,
                           .counters = {{"tx_packets", 3}}});
        }
        return all;
    }
    noxs::DeviceTotals totals() override {
        return {.vifs = {{"tx_bytes", 17}}, .vbds = {{"read_bytes", 4096}, {"written_bytes", 512}}};
    }

    int poll_fd() const override { return state_->bell.get(); }
    void poll(noxs::PlaneListener& listener) override {
        std::uint64_t count = 0;
        static_cast<void>(::read(state_->bell.get(), &count, sizeof count));
        for (const auto& [device, why] : std::exchange(state_->stopped, {})) {
            listener.on_stopped(device, why);
        }
        for (const auto& device : std::exchange(state_->closed, {})) {
            listener.on_closed(device);
        }
    }

 private:
    base::Result<FakePlaneState::Switch*> find(const std::string& name) {
        const auto found = state_->switches.find(name);
        if (found == state_->switches.end()) {
            return base::fail(base::Code::not_found, "no switch '" + name + "'");
        }
        return &found->second;
    }
    std::size_t ports(const std::string& name) const {
        std::size_t n = 0;
        for (const auto& [domain, devices] : state_->devices) {
            n += static_cast<std::size_t>(std::ranges::count_if(devices, [&](const auto& device) {
                const auto* vif = std::get_if<noxs::VifSettings>(&device.order.settings);
                return vif != nullptr && vif->network == name;
            }));
        }
        return n;
    }

    std::shared_ptr<FakePlaneState> state_;
};

}  // namespace test_support
