// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/xen/libxen.hpp"

namespace hypervisor::xen {

/// A kernel that was built by others, and what it is to be told.
struct ForeignGuest {
    const Image& image;  ///< of kind pvh or pv: the file
    const BootParams& params;
    base::Bytes memory;
    unsigned vcpus;
    base::EvtchnPort console;  ///< of its Xen console; 0: none
};

/// Fills the empty domain `domain` through libxenguest: memory, kernel, ramdisk, start information, vCPU, and a console
/// ring granted to dom0 under `foreign_console_ref`. It is told that there is no XenStore. What the loader has against an
/// image (no note that it knows, a feature that this Xen lacks) is in the error's words. May be called from any thread.
Result<void> load_foreign(const Toolstack& toolstack, base::DomId domain, const ForeignGuest& guest);

}  // namespace hypervisor::xen
