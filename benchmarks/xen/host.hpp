// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>

#include "base/result.hpp"

extern "C" {
#include <xenctrl.h>
}

namespace bench::xen {

/// What is in use, as Xen and dom0 count it.
struct Use {
    double free_kib{0};        ///< of the memory for guests
    unsigned domains{0};       ///< dom0 not counted; dying ones are
    unsigned dying{0};         ///< still held by somebody's mapping of their memory
    unsigned dom0_ports{0};    ///< event channels of dom0
    unsigned descriptors{0};   ///< of chaosd
    unsigned maps{0};          ///< lines of chaosd's /proc/PID/maps
    unsigned grant_maps{0};    ///< of these, of /dev/xen/gntdev
    unsigned foreign_maps{0};  ///< of these, of /dev/xen/privcmd
};

/// Looks at Xen past chaosd, through libxenctrl.
class Host {
 public:
    static base::Result<Host> open();

    base::Result<double> free_kib() const;
    base::Result<Use> use(pid_t chaosd) const;

 private:
    struct Close {
        void operator()(xc_interface* handle) const { ::xc_interface_close(handle); }
    };
    explicit Host(xc_interface* control) : control_(control) {}
    base::Result<void> count_domains(Use& into) const;
    std::unique_ptr<xc_interface, Close> control_;
};

}  // namespace bench::xen
