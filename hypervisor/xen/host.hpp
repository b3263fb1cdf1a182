// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/xen/libxen.hpp"

namespace hypervisor::xen {

/// This machine as a host of Xen domains.
struct Host {
    Capabilities capabilities;
    bool hap{false};  ///< the processor pages guest memory itself
};

/// Whether this is dom0 of a Xen with its devices in place. The error says what is missing and how to get it.
Result<void> check_host();

/// Xen's memory at this moment, all of it and what it could give to domains.
Result<HostInfo> memory_of_host(const Toolstack& toolstack);

/// What Xen says of itself and of the machine. Error version_mismatch: Xen speaks another control interface.
Result<Host> describe_host(const Toolstack& toolstack);

}  // namespace hypervisor::xen
