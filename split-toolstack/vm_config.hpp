// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"

namespace split {

/// What happens to a domain when its guest ends (xl.cfg: on_poweroff, on_reboot, on_crash).
enum class EndAction : std::uint8_t { destroy, restart, preserve };

/// A network interface. What is left empty is chosen by its network.
struct VifConfig {
    std::string ip;           ///< IPv4, with or without a prefix length
    std::string mac;          ///< as text_of(noxs::Mac) writes it
    std::string bridge;       ///< the network's name; empty: the default one
    std::string ip6{};        ///< IPv6, with or without a prefix length; empty: none
    std::uint64_t rate{0};    ///< bits a second that the guest may send; 0: as many as it can
    bool check_source{true};  ///< frames with another source than its own addresses are dropped
    friend bool operator==(const VifConfig&, const VifConfig&) = default;
};

/// A disk.
struct VbdConfig {
    std::string target;
    std::string type;    ///< "file", "phy" or empty: found out by itself
    std::string vdev;    ///< its name among the disks of the guest: "xvda"
    std::string access;  ///< "r", "ro": read-only; "w", "rw" or empty: read-write
    bool read_only() const { return access == "r" || access == "ro"; }
    friend bool operator==(const VbdConfig&, const VbdConfig&) = default;
};

/// A checked vm.json. Paths are absolute.
struct VmConfig {
    std::string name;  ///< empty: the toolstack makes one ("guest-17")
    std::string kernel;
    std::string ramdisk;  ///< empty: none
    std::string cmdline;
    base::Bytes memory{base::mib(4)};
    unsigned vcpus{1};
    std::uint64_t cpumap{0};  ///< bit per host CPU; 0: any
    std::optional<bool> pvh;  ///< of a kernel that others built: PVH or PV; empty: as the image offers, PVH first
    bool paused{false};
    bool console{true};
    base::Bytes console_log{base::kib(16)};  ///< bound of the kept output
    EndAction on_poweroff{EndAction::destroy};
    EndAction on_reboot{EndAction::restart};
    EndAction on_crash{EndAction::destroy};
    std::vector<VifConfig> vifs;
    std::vector<VbdConfig> vbds;
};

}  // namespace split
