// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "split-toolstack/networks.hpp"

namespace test_support {

/// No network but the default one, with a counter.
class FakeNetworks final : public split::Networks {
 public:
    base::Result<void> create(const split::NetworkSettings&) override { return unsupported(); }
    base::Result<void> remove(std::string_view) override { return unsupported(); }
    base::Result<split::NetworkView> view(std::string_view name) override {
        if (name != split::default_network) {
            return base::fail(base::Code::not_found, "no network named '" + std::string(name) + "'");
        }
        return list().front();
    }
    std::vector<split::NetworkView> list() override {
        split::NetworkView view;
        view.settings.name = split::default_network;
        view.status = {.name = view.settings.name, .ports = 2, .learned = 0, .counters = {{"forwarded", 17}}};
        return {view};
    }
    base::Result<std::vector<noxs::VifSettings>> plan(const std::vector<split::VifConfig>&) override {
        return unsupported();
    }
    void take(base::DomId, std::uint32_t, const std::vector<noxs::VifSettings>&) override {}
    void give_back(base::DomId, std::uint32_t) override {}
    void give_back(base::DomId) override {}
    void hand_over(base::DomId, base::DomId) override {}
    int poll_fd() const override { return -1; }
    void poll() override {}
    base::Result<split::Forward> publish(base::DomId, split::Forward) override { return unsupported(); }
    base::Result<void> unpublish(noxs::Ipv4, std::uint16_t) override { return unsupported(); }

 private:
    static std::unexpected<base::Error> unsupported() { return base::fail(base::Code::unsupported, "a fake"); }
};

}  // namespace test_support
