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

struct VifConfig {
    std::string ip, mac, bridge;
};
struct VbdConfig {
    std::string target, type, vdev, access;
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
