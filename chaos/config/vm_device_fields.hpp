// SPDX-License-Identifier: Apache-2.0
// The keys of network interfaces and disks: in vm.json, and of one that is attached later.
#pragma once

#include <span>
#include <string_view>

#include "chaos/config/vm_fields.hpp"

namespace chaos {

/// One vif, one vbd. Paths as in `reader`.
Result<void> read_vif(const Node& node, split::VifConfig& vif);
Result<void> read_vbd(const Node& node, const VmReader& reader, split::VbdConfig& vbd);

/// The lists "vifs" and "vbds": names and addresses that stand there twice are errors, disks without a vdev get one.
Result<void> read_vifs(const Node& node, VmReader& reader);
Result<void> read_vbds(const Node& node, VmReader& reader);

std::span<const std::string_view> vif_keys();
std::span<const std::string_view> vbd_keys();

}  // namespace chaos
