// SPDX-License-Identifier: Apache-2.0
// The networks of this host by name: switches with their address ranges, uplinks and published ports, kept on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "noxs/data_plane.hpp"
#include "split-toolstack/vm_config.hpp"

namespace split {

using base::Result;

/// The network of a vif that names none. There is always one; it has no uplink until somebody gives it one.
inline constexpr std::string_view default_network = "default";

enum class UplinkKind : std::uint8_t {
    none,    ///< guests reach each other, and the host through published ports
    tap,     ///< a tap device of the network's name on the host, with the network's address
    bridge,  ///< a tap device joined to an existing Linux bridge
};

struct NetworkSettings {
    std::string name;       ///< also of its tap device ("chaos0" for the default network): at most 15 characters
    noxs::Ipv4Net address;  ///< the gateway's (the tap's) own, and the prefix of all addresses: "10.0.0.1/24"
    UplinkKind uplink{UplinkKind::none};
    std::string bridge;  ///< of UplinkKind::bridge
    bool nat{false};     ///< of UplinkKind::tap: guests reach what the host reaches (nftables masquerade)
};

/// A published port: who connects to `listen`:`host_port` talks to `guest`:`guest_port`.
struct Forward {
    std::string network;
    noxs::Ipv4 listen{{127, 0, 0, 1}};
    std::uint16_t host_port{0};
    noxs::Ipv4 guest;
    std::uint16_t guest_port{0};
    base::DomId domain;  ///< it goes when the domain goes
};

struct NetworkView {
    NetworkSettings settings;
    noxs::SwitchStatus status;
    std::string uplink_error;  ///< why the uplink could not be made again after a restart; empty: fine
    std::vector<Forward> forwards;
};

/// Main thread only.
class Networks {
 public:
    /// Makes the switches, uplinks and forwards that `state_dir` has on record; what can't be made again is told in
    /// the log and in NetworkView, and keeps nobody from starting.
    static Result<std::unique_ptr<Networks>> open(std::string state_dir, noxs::DataPlane& plane);
    virtual ~Networks() = default;

    /// Without an address it gets a range of its own (10.108.0.1/16 and up). The default network, which is there already,
    /// is given an uplink. Errors: name_in_use, invalid_argument, permission_denied (a tap without privilege: says what
    /// needs it).
    virtual Result<void> create(const NetworkSettings& settings) = 0;
    /// The default network becomes what it was at first. Error: not_found, bad_state while guests are on it.
    virtual Result<void> remove(std::string_view name) = 0;
    virtual Result<NetworkView> view(std::string_view name) = 0;
    virtual std::vector<NetworkView> list() = 0;

    // ---- vifs

    /// What the vifs of one domain become, without taking anything: unknown network, address outside its range or of the
    /// gateway, MAC or IP of another vif (of this list too), no address left. `config` is the whole list; where it leaves
    /// ip or mac open they are chosen: the lowest free address, a locally administered MAC made from it (02:..).
    /// Error messages begin with "vifs[1].ip: ". Hot.
    virtual Result<std::vector<noxs::VifSettings>> plan(const std::vector<VifConfig>& config) = 0;
    /// Takes the addresses for `domain`, vif ids from `first_id` up. They are free (just planned, or from a record).
    virtual void take(base::DomId domain, std::uint32_t first_id, const std::vector<noxs::VifSettings>& vifs) = 0;
    virtual void give_back(base::DomId domain, std::uint32_t id) = 0;
    /// All of the domain's, and its forwards.
    virtual void give_back(base::DomId domain) = 0;
    /// Addresses and forwards of a domain that goes on under another id (a restart). The vifs of the new one are those of
    /// the old one in the order in which they were taken, with ids from 0 up.
    virtual void hand_over(base::DomId from, base::DomId to) = 0;

    // ---- published ports

    /// Publishes a port of `domain` (its first vif with an address, or the one of `forward.guest` when given). host_port
    /// 0: any free one; returns it. Errors: bad_state (port in use, no vif), permission_denied (port below 1024).
    virtual Result<Forward> publish(base::DomId domain, Forward forward) = 0;
    /// Error: not_found.
    virtual Result<void> unpublish(noxs::Ipv4 listen, std::uint16_t host_port) = 0;

    // ---- for the event loop

    /// Readable when a process that publishes ports has died: `poll` starts it anew.
    virtual int poll_fd() const = 0;
    virtual void poll() = 0;
};

}  // namespace split
