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
#include "noxs/data_plane.hpp"
#include "noxs/page_writer.hpp"
#include "split-toolstack/record.hpp"
#include "split-toolstack/shape.hpp"
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

/// Whether the device type is served by the data plane: vif, vbd.
constexpr bool is_data(noxs::wire::DeviceType type) {
    return type == noxs::wire::DeviceType::vif || type == noxs::wire::DeviceType::vbd;
}

/// "vif 1".
std::string device_text(noxs::wire::DeviceType type, std::uint32_t id);

/// Whether a guest of `kind` can have the devices of `config`.
Result<void> check_devices(const VmConfig& config, hypervisor::GuestKind kind);

/// The devices of one domain: their entries in the device page, and of sysctl and console the backends (those of vifs
/// and vbds are in the data plane). The domain outlives it. A foreign guest has no device page, and one device at most:
/// its Xen console.
class Devices {
 public:
    /// The first control page is granted under the last entry of a one-frame grant table, the next one below it ...: out
    /// of the way of a guest that takes its refs from the bottom.
    static constexpr std::uint32_t first_control_ref = 511;

    // ---- prepare, in this order; not yet shared with a guest, so from any thread

    /// A shell has sysctl, console, vifs and vbds, in this order.
    Result<void> open_channels(hypervisor::Domain& domain, const Shape& shape);
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
    /// Tells the guest of the vif, or vbd, that was prepared under `id`. Hot.
    template <class Settings>
    void describe(noxs::wire::DeviceType type, std::uint32_t id, const Settings& settings) const {
        const auto& entry = *entry_of(type, id);
        noxs::describe(data_pages_.data() + (entry.control_gfn - data_first_) * base::page_size, entry, settings);
    }

    // ---- after a restart of the daemon

    /// Backends for a guest that runs already, from its record.
    static Result<Devices> adopt(hypervisor::Domain& domain, const Record& record, const BackendSite& site);

    // ---- network and disks

    /// The lane, until the data plane takes it.
    std::unique_ptr<hypervisor::DataLane>& lane() { return lane_; }
    /// Opens it if it never was: `left`, the port that the record has. Returns the guest's port.
    Result<base::EvtchnPort> open_lane(hypervisor::Domain& domain, std::optional<base::EvtchnPort> left);

    const noxs::wire::DeviceEntry* entry_of(noxs::wire::DeviceType type, std::uint32_t id) const;
    /// The entry for one more device, on a control page that none has. Error: limit_reached.
    Result<noxs::wire::DeviceEntry> free_entry(const hypervisor::Layout& layout, noxs::wire::DeviceType type,
                                               std::uint32_t id, base::EvtchnPort port) const;
    /// The settled generation of the device page.
    std::uint32_t generation() const { return page_ ? page_->generation() : generation_; }
    /// Adds, or removes, the entry and tells the guest.
    Result<void> plug(hypervisor::Domain& domain, const noxs::wire::DeviceEntry& entry);
    Result<void> unplug(hypervisor::Domain& domain, noxs::wire::DeviceType type, std::uint32_t id);
    /// Writes the device page anew and tells the guest: an earlier daemon may have ended in the middle of a change.
    Result<void> rewrite(hypervisor::Domain& domain);
    /// Rings sysctl's port, which every guest has and which lets it look at all of its devices.
    Result<void> ring(hypervisor::Domain& domain) const;

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

    noxs::PageWriter& page();
    Result<void> publish(hypervisor::Domain& domain);

    std::vector<noxs::wire::DeviceEntry> entries_;
    std::vector<std::unique_ptr<noxs::Backend>> backends_;
    std::optional<noxs::PageWriter> page_;  // of an adopted guest made when it is needed: most pages never change again
    std::uint32_t generation_{0};           // of an adopted guest, from its record
    std::unique_ptr<hypervisor::DataLane> lane_;
    base::Mapping data_pages_;     // control pages of the vifs and vbds that were prepared,
    std::uint64_t data_first_{0};  // and the first one's frame
};

}  // namespace split
