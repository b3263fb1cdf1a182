// SPDX-License-Identifier: Apache-2.0
// The thread that moves packets and blocks: network and disk backends, switches. Toolstack and API stay out of its way.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "hypervisor/data_lane.hpp"
#include "noxs/net_address.hpp"
#include "noxs/switch/port.hpp"
#include "noxs/wire/control_page.hpp"

namespace noxs {

using base::Result;

enum class Origin : std::uint8_t;  // backends.hpp

/// A vif as its guest and its switch see it.
struct VifSettings {
    Mac mac;
    std::uint16_t mtu{1500};  ///< 68 .. 65521
    Ipv4Net ipv4;             ///< address 0.0.0.0: none
    Ipv4 ipv4_gateway;
    Ipv6 ipv6;
    std::uint8_t ipv6_prefix{0};
    Ipv6 ipv6_gateway;
    std::string network;      ///< the switch's name
    bool check_source{true};  ///< drops frames that come from another MAC or IP than its own
    std::uint64_t rate{0};    ///< bits a second that the guest may send; 0: as many as it can
};

/// An opened and locked disk: noxs/disk.hpp makes it.
struct VbdSettings {
    base::Fd disk;
    std::string path;          ///< for messages
    std::uint64_t sectors{0};  ///< of 512 bytes
    std::uint32_t sector_size{512};
    std::uint32_t flags{0};  ///< bits of wire::VbdFlag
    std::uint32_t discard_granularity{0};
};

/// Names one device of one domain.
struct DeviceName {
    base::DomId domain;
    wire::DeviceType type{wire::DeviceType::none};
    std::uint32_t id{0};
    friend bool operator==(const DeviceName&, const DeviceName&) = default;
};

/// A device that the plane is to serve. Its control page is granted (entry.control_ref) and filled by `describe`.
struct DeviceOrder {
    base::DomId domain;
    wire::DeviceEntry entry;
    std::variant<VifSettings, VbdSettings> settings;
    Origin origin;
};

struct DeviceStatus {
    wire::DeviceEntry entry;
    wire::State backend{wire::State::unknown};
    wire::State frontend{wire::State::unknown};
    std::string stopped;  ///< why it is served no more; empty: it is served, or was closed in order
    Counters counters;
};

/// What devices did, by the names of their counters.
struct DeviceTotals {
    Counters vifs;
    Counters vbds;
};

struct SwitchStatus {
    std::string name;
    std::size_t ports{0};
    std::size_t learned{0};  ///< addresses in its table
    Counters counters;
};

/// Called by DataPlane::poll, on the thread that polls.
class PlaneListener {
 public:
    virtual ~PlaneListener() = default;
    /// The guest broke the device's protocol, or the disk is gone: it is served no more. Logged already.
    virtual void on_stopped(const DeviceName& device, const std::string& why) = 0;
    /// After `close`: the guest has let go of it; after `cut`: the host has.
    virtual void on_closed(const DeviceName& device) = 0;
};

/// Writes what the guest is told of its device into a control page that no guest uses yet: identity, settings,
/// features, InitWait. Any thread. Hot.
void describe(std::byte* control_page, const wire::DeviceEntry& entry, const VifSettings& settings);
void describe(std::byte* control_page, const wire::DeviceEntry& entry, const VbdSettings& settings);

/// All methods are called from one thread, the toolstack's. Those that wait do so for a bounded share of the plane's work.
/// Letting the plane go leaves the control pages as they are: a later daemon goes on (Origin::adopted).
class DataPlane {
 public:
    static Result<std::unique_ptr<DataPlane>> open();
    virtual ~DataPlane() = default;

    // ---- switches; wait

    /// Error: name_in_use.
    virtual Result<void> add_switch(const std::string& name) = 0;
    /// Error: not_found; bad_state while vifs are plugged in.
    virtual Result<void> remove_switch(const std::string& name) = 0;
    virtual Result<SwitchStatus> switch_status(const std::string& name) = 0;
    /// Plugs in what is no guest's vif. `make` is called on the plane's thread, its result is destroyed there.
    /// `fd` is watched: when it is readable `on_readable` of the port is called.
    class Uplink : public SwitchPort {
     public:
        virtual int fd() const = 0;
        /// Hands up to `budget` frames to `into`. Returns how many; as many as `budget`: there may be more.
        virtual std::size_t receive(std::size_t budget, const std::function<void(const Frame&)>& into) = 0;
    };
    /// At most one of each `kind` ("tap", "forward") on a switch. Error: not_found, name_in_use.
    virtual Result<void> plug(const std::string& switch_name, const std::string& kind,
                              std::unique_ptr<Uplink> uplink) = 0;
    virtual Result<void> unplug(const std::string& switch_name, const std::string& kind) = 0;

    // ---- devices

    /// From now on the domain's devices are served over `lane`. Does not wait.
    virtual void add_domain(std::unique_ptr<hypervisor::DataLane> lane) = 0;
    /// The domain was added. Does not wait: a mistake (an unknown switch) stops the device. Hot.
    virtual void add(DeviceOrder order) = 0;
    /// Asks the guest to let go of it; `on_closed` follows, or not. Does not wait.
    virtual void close(const DeviceName& device) = 0;
    /// Serves it no more, whatever the guest does; `on_closed` follows when nothing of it is on its way any more: until then
    /// a slow disk may still read into the guest's pages. Does not wait.
    virtual void cut(const DeviceName& device) = 0;
    /// Serves it no more; its rings are unmapped when this returns. A disk that is still busy keeps its descriptor, and so
    /// its lock, until it is done. Waits, but not for that. Unknown: nothing to do.
    virtual void remove(const DeviceName& device) = 0;
    /// The same for the domain with all of its devices. Waits, if it has any.
    virtual void remove_domain(base::DomId domain) = 0;
    /// Empty for a domain without devices. Waits.
    virtual std::vector<DeviceStatus> status(base::DomId domain) = 0;
    /// Sums over all devices since the plane was opened, those that are gone too. Waits, and costs the plane a microsecond
    /// a device: for who looks now and then.
    virtual DeviceTotals totals() = 0;

    // ---- for the event loop

    virtual int poll_fd() const = 0;
    virtual void poll(PlaneListener& listener) = 0;
};

}  // namespace noxs
