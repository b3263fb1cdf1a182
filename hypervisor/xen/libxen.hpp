// SPDX-License-Identifier: Apache-2.0
// Xen's C libraries behind types that close what they open and return errors as ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

extern "C" {
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
}

#include "base/ids.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"

namespace hypervisor::xen {

using base::Result;

struct CloseControl {
    void operator()(xc_interface* handle) const { ::xc_interface_close(handle); }
};
struct CloseMemory {
    void operator()(xenforeignmemory_handle* handle) const { ::xenforeignmemory_close(handle); }
};
struct CloseEvents {
    void operator()(xenevtchn_handle* handle) const { ::xenevtchn_close(handle); }
};
struct CloseGrants {
    void operator()(xengnttab_handle* handle) const { ::xengnttab_close(handle); }
};
using EventHandle = std::unique_ptr<xenevtchn_handle, CloseEvents>;
using GrantHandle = std::unique_ptr<xengnttab_handle, CloseGrants>;

/// What Xen's libraries said on this thread since the last `clear`, errors only; empty: nothing.
std::string library_message();
void clear_library_message();

/// A logger for Xen's libraries that keeps errors for `library_message` and drops the rest. Never null, lives for ever.
xentoollog_logger* library_logger();

/// The error of a call into Xen's libraries that failed with `err`: as base::sys_error, except that Xen answers EACCES
/// when a toolstack speaks another version of its control interface (xen/common/domctl.c, sysctl.c).
base::Error xen_error(int err, std::string_view what);

/// The toolstack's handles. For all threads: libxenctrl and libxenforeignmemory lock what they share (xenctrl.h:
/// XC_OPENFLAG_NON_REENTRANT is not given).
class Toolstack {
 public:
    static Result<Toolstack> open();

    xc_interface* control() const { return control_.get(); }
    xenforeignmemory_handle* memory() const { return memory_.get(); }

    /// Maps guest pages, which need not be contiguous, one behind the other. The mapping must not outlive the handles.
    Result<base::Mapping> map(base::DomId domain, std::span<const xen_pfn_t> frames) const;
    /// The same for contiguous ones.
    Result<base::Mapping> map(base::DomId domain, base::Gfn first, std::size_t count) const;

 private:
    std::unique_ptr<xc_interface, CloseControl> control_;
    std::unique_ptr<xenforeignmemory_handle, CloseMemory> memory_;
};

}  // namespace hypervisor::xen
