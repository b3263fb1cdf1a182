// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "split-toolstack/networks.hpp"
#include "split-toolstack/networks_range.hpp"

namespace split {

/// What the vifs of one network have taken.
class NetworkAddresses {
 public:
    explicit NetworkAddresses(const noxs::Ipv4Net& net) : range(net) {}

    void take(noxs::Ipv4 ip, const noxs::Mac& mac);
    void give_back(noxs::Ipv4 ip, const noxs::Mac& mac);
    bool has(const noxs::Mac& mac) const { return macs_.contains(number_of(mac)); }
    bool in_use() const { return !macs_.empty(); }
    /// A free locally administered one, made from `ip`: 02:63:68 ("ch") and the address's last three bytes.
    noxs::Mac free_mac(noxs::Ipv4 ip) const;

    AddressRange range;

 private:
    static std::uint64_t number_of(const noxs::Mac& mac);
    std::unordered_set<std::uint64_t> macs_;
};

/// A network by its name; nulls: there is none.
struct NetworkPlace {
    const NetworkSettings* settings{nullptr};
    NetworkAddresses* addresses{nullptr};
};

/// Networks::plan. Leaves all addresses as they were. Hot.
Result<std::vector<noxs::VifSettings>> plan_vifs(const std::vector<VifConfig>& config,
                                                 const std::function<NetworkPlace(std::string_view)>& find);

}  // namespace split
