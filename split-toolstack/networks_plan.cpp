// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/networks_plan.hpp"

#include <charconv>
#include <utility>

#include "base/scope_guard.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

template <class... Pieces>
std::unexpected<base::Error> wrong(base::Code code, std::size_t index, const Pieces&... pieces) {
    return base::fail(code, words("vifs[", index, "].", pieces...));
}

Result<noxs::Ipv4> read_ip(const std::string& text, std::size_t index, const NetworkSettings& settings,
                           const AddressRange& range) {
    const auto net = noxs::parse_ipv4_net(text, settings.address.prefix);
    if (!net || net->prefix != settings.address.prefix || !settings.address.holds(net->address)) {
        return wrong(base::Code::invalid_config, index, "ip: '", text, "' is no address of network '", settings.name,
                     "', which has ", noxs::text_of(settings.address));
    }
    if (range.reserved(net->address)) {
        return wrong(base::Code::invalid_config, index, "ip: ", text, " is reserved in network '", settings.name,
                     "' (its own, broadcast, the gateway's or that of published ports)");
    }
    if (!range.free(net->address)) {
        return wrong(base::Code::bad_state, index, "ip: ", text, " is another vif's in network '", settings.name, "'");
    }
    return net->address;
}

Result<noxs::Mac> read_mac(const std::string& text, std::size_t index, const NetworkSettings& settings,
                           const NetworkAddresses& addresses) {
    const auto mac = noxs::parse_mac(text);
    if (!mac || mac->multicast() || *mac == noxs::Mac{}) {
        return wrong(base::Code::invalid_config, index, "mac: '", text, "' is no MAC address that a vif can have");
    }
    if (addresses.has(*mac)) {
        return wrong(base::Code::bad_state, index, "mac: ", text, " is another vif's in network '", settings.name, "'");
    }
    return *mac;
}

Result<void> read_ip6(const std::string& text, std::size_t index, const NetworkSettings& settings,
                      const NetworkAddresses& addresses, noxs::VifSettings& vif) {
    const auto slash = text.find('/');
    const auto address = noxs::parse_ipv6(std::string_view(text).substr(0, slash));
    unsigned prefix = 64;
    bool good = address.has_value();
    if (slash != text.npos) {
        const char* const end = text.data() + text.size();
        const auto [read, error] = std::from_chars(text.data() + slash + 1, end, prefix);
        good = good && error == std::errc() && read == end && prefix <= 128;
    }
    if (!good || !*address || address->bytes[0] == 0xff) {
        return wrong(base::Code::invalid_config, index, "ip6: '", text, "' is no IPv6 address that a vif can have");
    }
    if (addresses.has(*address)) {
        return wrong(base::Code::bad_state, index, "ip6: ", text, " is another vif's in network '", settings.name, "'");
    }
    vif.ipv6 = *address;
    vif.ipv6_prefix = static_cast<std::uint8_t>(prefix);
    return {};
}

/// Takes for the time of a plan.
class Planner {
 public:
    Planner(const std::vector<VifConfig>& config, const std::function<NetworkPlace(std::string_view)>& find)
        : config_(config), find_(find), vifs_(config.size()), places_(config.size()), held_(config.size()) {}
    Planner(const Planner&) = delete;
    Planner& operator=(const Planner&) = delete;
    ~Planner() {
        for (std::size_t i = 0; i < held_.size(); ++i) {
            if (held_[i].ip) {
                places_[i].addresses->range.give_back(vifs_[i].ipv4.address);
            }
            if (held_[i].ip6) {
                places_[i].addresses->give_back(vifs_[i].ipv6);
            }
            if (held_[i].mac) {
                places_[i].addresses->give_back(vifs_[i].mac);
            }
        }
    }

    Result<std::vector<noxs::VifSettings>> run() {
        // What is named first: what is chosen must not take it.
        for (std::size_t i = 0; i < config_.size(); ++i) {
            BASE_TRY(read(i));
        }
        for (std::size_t i = 0; i < config_.size(); ++i) {
            BASE_TRY(choose(i));
        }
        return vifs_;
    }

 private:
    struct Held {
        bool ip{false}, ip6{false}, mac{false};
    };

    Result<void> read(std::size_t i) {
        const VifConfig& config = config_[i];
        noxs::VifSettings& vif = vifs_[i];
        vif.network = config.bridge.empty() ? std::string(default_network) : config.bridge;
        const NetworkPlace place = places_[i] = find_(vif.network);
        if (place.settings == nullptr) {
            return wrong(base::Code::not_found, i, "bridge: no network named '", vif.network,
                         "'; `chaos network list` shows them, `chaos network create ", vif.network, "` makes one");
        }
        if (!config.ip.empty()) {
            BASE_ASSIGN(const auto ip, read_ip(config.ip, i, *place.settings, place.addresses->range));
            hold_ip(i, ip);
        }
        if (!config.mac.empty()) {
            BASE_ASSIGN(const auto mac, read_mac(config.mac, i, *place.settings, *place.addresses));
            hold_mac(i, mac);
        }
        if (!config.ip6.empty()) {
            BASE_TRY(read_ip6(config.ip6, i, *place.settings, *place.addresses, vif));
            place.addresses->take(vif.ipv6);
            held_[i].ip6 = true;
        }
        if (place.settings->uplink != UplinkKind::none) {
            vif.ipv4_gateway = place.settings->address.address;
        }
        vif.rate = config.rate;
        vif.check_source = config.check_source;
        return {};
    }

    Result<void> choose(std::size_t i) {
        if (!held_[i].ip) {
            const auto ip = places_[i].addresses->range.lowest_free();
            if (!ip) {
                return wrong(base::Code::limit_reached, i, "ip: no address is left in network '", vifs_[i].network,
                             "' (", noxs::text_of(places_[i].settings->address), ")");
            }
            hold_ip(i, *ip);
        }
        if (!held_[i].mac) {
            hold_mac(i, places_[i].addresses->free_mac(vifs_[i].ipv4.address));
        }
        return {};
    }

    void hold_ip(std::size_t i, noxs::Ipv4 ip) {
        vifs_[i].ipv4 = {ip, places_[i].settings->address.prefix};
        places_[i].addresses->range.take(ip);
        held_[i].ip = true;
    }
    void hold_mac(std::size_t i, const noxs::Mac& mac) {
        vifs_[i].mac = mac;
        places_[i].addresses->take(mac);
        held_[i].mac = true;
    }

    const std::vector<VifConfig>& config_;
    const std::function<NetworkPlace(std::string_view)>& find_;
    std::vector<noxs::VifSettings> vifs_;
    std::vector<NetworkPlace> places_;
    std::vector<Held> held_;
};

}  // namespace

std::uint64_t NetworkAddresses::number_of(const noxs::Mac& mac) {
    std::uint64_t number = 0;
    for (const std::uint8_t byte : mac.bytes) {
        number = number << 8 | byte;
    }
    return number;
}

void NetworkAddresses::take(const noxs::VifSettings& vif) {
    if (vif.ipv4.address && range.net().holds(vif.ipv4.address)) {
        range.take(vif.ipv4.address);
    }
    if (vif.ipv6) {
        take(vif.ipv6);
    }
    take(vif.mac);
}

void NetworkAddresses::give_back(const noxs::VifSettings& vif) {
    if (vif.ipv4.address && range.net().holds(vif.ipv4.address)) {
        range.give_back(vif.ipv4.address);
    }
    give_back(vif.ipv6);
    give_back(vif.mac);
}

noxs::Mac NetworkAddresses::free_mac(noxs::Ipv4 ip) const {
    noxs::Mac mac{{0x02, 0x63, 0x68, ip.bytes[1], ip.bytes[2], ip.bytes[3]}};
    while (has(mac)) {  // somebody chose this one by hand
        ++mac.bytes[2];
    }
    return mac;
}

Result<std::vector<noxs::VifSettings>> plan_vifs(const std::vector<VifConfig>& config,
                                                 const std::function<NetworkPlace(std::string_view)>& find) {
    return Planner(config, find).run();
}

}  // namespace split
