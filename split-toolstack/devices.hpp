// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "noxs/backends.hpp"
#include "noxs/backends/sysctl.hpp"
#include "noxs/console.hpp"
#include "noxs/page_writer.hpp"
#include "split-toolstack/record.hpp"
#include "split-toolstack/vm_config.hpp"

namespace split {

using base::Result;
using Clock = std::chrono::steady_clock;

/// What every backend of this toolstack needs.
struct BackendSite {
    noxs::BackendListener& listener;
    std::string console_dir;  ///< of the kept console output; exists
};

/// The path of the console log of domain `id`.
std::string console_path(const std::string& console_dir, base::DomId id);

/// Whether this build has a backend for every device of `config`, and a guest of `kind` can have it.
Result<void> check_devices(const VmConfig& config, hypervisor::GuestKind kind);

/// The devices of one domain: their entries in the device page and their backends in this process. The domain outlives
/// it. A foreign guest has no device page, and one device at most: its Xen console.
class Devices {
 public:
    /// A shell is prepared with sysctl and console, in this order.
    static constexpr unsigned prepared_count = 2;
    /// The first control page is granted under the last entry of a one-frame grant table, the next one below it ...: out
    /// of the way of a guest that takes its refs from the bottom.
    static constexpr std::uint32_t first_control_ref = 511;

    // ---- prepare, in this order; not yet shared with a guest, so from any thread

    Result<void> open_channels(hypervisor::Domain& domain);
    Result<void> write_pages(hypervisor::Domain& domain);
    Result<void> make_backends(hypervisor::Domain& domain, const BackendSite& site);

    // ---- the same for a foreign guest

    /// The channel of its console. Without one it finds no console, and does not wait for anybody to read it.
    Result<void> open_console_channel(hypervisor::Domain& domain);
    /// After Domain::load: the backend of that console, if there is one.
    Result<void> open_console(hypervisor::Domain& domain, const VmConfig& config, const BackendSite& site,
                              noxs::Origin origin);

    // ---- execute

    /// Makes what was prepared what `config` asks for. Writes nothing for a guest with the usual devices.
    Result<void> fit(hypervisor::Domain& domain, const VmConfig& config);

    // ---- after a restart of the daemon

    /// Backends for a guest that runs already, from its record.
    static Result<Devices> adopt(hypervisor::Domain& domain, const Record& record, const BackendSite& site);

    // ---- life

    const std::vector<noxs::wire::DeviceEntry>& entries() const { return entries_; }
    /// The guest rang `port`. Returns when the backend wants to be called again without a ring.
    std::optional<Clock::time_point> on_event(base::EvtchnPort port, Clock::time_point now);
    /// Looks at every control page again; returns the earliest time that a backend wants to be called.
    std::optional<Clock::time_point> on_all(Clock::time_point now);

    noxs::SysctlBackend* sysctl() const;
    noxs::Console* console() const;

 private:
    Result<void> make_backend(hypervisor::Domain& domain, const noxs::wire::DeviceEntry& entry, const BackendSite& site,
                              base::Bytes console_log, noxs::Origin origin);
    Result<void> drop_console(hypervisor::Domain& domain);
    template <class Concrete>
    Concrete* find() const;

    std::vector<noxs::wire::DeviceEntry> entries_;
    std::vector<std::unique_ptr<noxs::Backend>> backends_;
    noxs::PageWriter page_;
};

}  // namespace split
