// SPDX-License-Identifier: Apache-2.0
// Masquerading by the host's nf_tables, in a table of our own for each network: "chaos_<name>".
#pragma once

#include <string>

#include "base/result.hpp"
#include "noxs/net_address.hpp"

namespace noxs {

using base::Result;

/// What leaves the host from an address of `net` through another device than `device` gets the host's own address, and
/// the host forwards packets (net.ipv4.ip_forward = 1), but no connection from elsewhere to `device`: other networks do
/// not get in by the way that this opens. Replaces an earlier table of this device.
Result<void> add_nat(const std::string& device, const Ipv4Net& net);

/// Removes the table. Forwarding stays on: others may need it by now.
Result<void> remove_nat(const std::string& device);

}  // namespace noxs
