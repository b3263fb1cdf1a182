// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <set>
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

    /// All that a vif has. An IPv4 address outside the range is nobody's business.
    void take(const noxs::VifSettings& vif);
    void give_back(const noxs::VifSettings& vif);
    void take(const noxs::Mac& mac) { macs_.insert(number_of(mac)); }
    void give_back(const noxs::Mac& mac) { macs_.erase(number_of(mac)); }
    void take(const noxs::Ipv6& ip6) { ip6s_.insert(ip6); }
    void give_back(const noxs::Ipv6& ip6) { ip6s_.erase(ip6); }
    bool has(const noxs::Mac& mac) const { return macs_.contains(number_of(mac)); }
    bool has(const noxs::Ipv6& ip6) const { return ip6s_.contains(ip6); }
    bool in_use() const { return !macs_.empty(); }
    /// A free locally administered one, made from `ip`: 02:63:68 ("ch") and the address's last three bytes.
    noxs::Mac free_mac(noxs::Ipv4 ip) const;

    AddressRange range;

 private:
    static std::uint64_t number_of(const noxs::Mac& mac);
    std::unordered_set<std::uint64_t> macs_;
    std::set<noxs::Ipv6> ip6s_;
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
