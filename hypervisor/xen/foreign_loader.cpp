// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/foreign_loader.hpp"

namespace hypervisor::xen {

Result<void> load_foreign(const Toolstack&, base::DomId, const ForeignGuest&) {
    return base::fail(base::Code::unsupported, "not yet");
}

}  // namespace hypervisor::xen
