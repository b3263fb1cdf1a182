// SPDX-License-Identifier: Apache-2.0
// The toolstack as one object: what chaosd drives and tests drive without a socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "noxs/data_plane.hpp"
#include "split-toolstack/crash_report.hpp"
#include "split-toolstack/networks.hpp"
#include "split-toolstack/timing.hpp"
#include "split-toolstack/vm_config.hpp"

namespace split {

using base::Result;
using Clock = std::chrono::steady_clock;

/// "native", "pvh", "pv".
std::string_view kind_name(hypervisor::GuestKind kind) noexcept;

enum class State : std::uint8_t { paused, running, blocked, shutdown, crashed };
std::string_view state_name(State state) noexcept;

/// One row of `chaos list`.
struct DomainView {
    base::DomId id;
    std::string name;
    State state{State::running};
    hypervisor::GuestKind kind{hypervisor::GuestKind::native};
    bool ready{false};  ///< it said so; of a guest that can't (not native): it was started
    bool paused{false};
    base::Bytes memory;
    unsigned vcpus{1};
    std::string kernel;
    std::int64_t created_unix_ms{0};
    Timing timing{};            ///< phases of this domain's launch
    std::uint64_t total_ns{0};  ///< execute: from the call of create to started
    std::uint64_t ready_ns{0};  ///< from the call of create to ready; 0: not (yet) ready
    bool from_pool{false};
    hypervisor::Death death;  ///< valid in State::shutdown and State::crashed
    std::string ended;        ///< how it ended in words, empty while it lives
    CrashReport crash;        ///< where it crashed, as far as that is known
};

/// What costs a look at the host as well (`chaos info NAME`, `chaos top`).
struct DomainDetails {
    DomainView view;
    VmConfig config;
    hypervisor::DomainInfo host;
};

/// One vif or vbd of a domain as `chaos info` shows it.
struct DeviceView {
    noxs::wire::DeviceType type{noxs::wire::DeviceType::none};
    std::uint32_t id{0};
    noxs::wire::State backend{noxs::wire::State::unknown};
    noxs::wire::State frontend{noxs::wire::State::unknown};
    std::optional<noxs::VifSettings> vif;
    std::optional<VbdConfig> vbd;
    bool leaving{false};  ///< a detach is under way
    std::string stopped;  ///< why it is served no more; empty: it is served
    std::string waits;    ///< what it waits for before it is served again: its disk, after a restart of the daemon
    noxs::Counters counters;
};

/// Names a device of a domain as people do: by its id, or a vif by its MAC, a vbd by its vdev.
struct DeviceChoice {
    noxs::wire::DeviceType type{noxs::wire::DeviceType::none};
    std::string which;
};

/// How long a guest may take to let go of a device, where nobody says otherwise.
inline constexpr std::chrono::milliseconds detach_timeout = std::chrono::seconds(5);

enum class EventKind : std::uint8_t {
    created,
    ready,
    paused,
    unpaused,
    shutdown,
    crashed,
    rebooted,
    renamed,
    destroyed,
    adopted,
    lost,
    attached,        ///< detail: "vif 1"
    detached,        ///< detail: "vif 1", or "vif 1: forced ..." when the guest did not let go
    device_stopped,  ///< detail: "vbd 0: why"
};
std::string_view event_name(EventKind kind) noexcept;

struct Event {
    EventKind kind;
    base::DomId domain;
    std::string name;
    std::string detail;                      ///< how it ended, the new name, the new id after a reboot ...
    std::int32_t code{0};                    ///< exit code in `shutdown`
    base::Code why{base::Code::guest_died};  ///< in `crashed`: of a kernel that its loader refuses, the loader's reason
    noxs::wire::DeviceType device{noxs::wire::DeviceType::none};  ///< of `attached`, `detached`, `device_stopped`
    std::uint32_t device_id{0};
    bool forced{false};  ///< in `detached`: the guest did not let go of it
};

/// Receives what happens, on the main thread. Must not call the toolstack from inside: note it and do it afterwards.
///
/// The end of a guest is told as `shutdown` or `crashed`, then `destroyed` unless it is preserved. A guest that reboots
/// is told as `destroyed`, `created` and `rebooted` (one that crashes and restarts: `crashed` before these); so is one
/// whose shell turns out to have been killed before it was used.
class Observer {
 public:
    virtual ~Observer() = default;
    virtual void on_event(const Event& event) = 0;
    virtual void on_console_output(base::DomId domain, std::uint64_t offset, std::span<const char> bytes) = 0;
    /// The hypervisor's owner is gone and all domains with it; the daemon opens a new toolstack.
    virtual void on_lost(const base::Error& why) = 0;
};

/// A pool flavour: shells of one shape kept ready.
struct FlavourSettings {
    base::Bytes memory{base::mib(4)};
    unsigned vcpus{1};
    unsigned floor{8};      ///< at least this many shells when idle
    unsigned ceiling{256};  ///< never more
    unsigned vifs{0};       ///< network interfaces and disks that its guests have
    unsigned vbds{0};

    /// Whether both are the flavour of one shape.
    bool same_shape(const FlavourSettings& other) const {
        return memory == other.memory && vcpus == other.vcpus && vifs == other.vifs && vbds == other.vbds;
    }
};

struct FlavourStatus {
    FlavourSettings settings;
    unsigned target{0};  ///< follows demand between floor and ceiling
    unsigned ready{0};   ///< shells parked now
    std::uint64_t hits{0};
    std::uint64_t misses{0};
    std::uint64_t prepared{0};
    std::string last_error;  ///< why the refill failed last, empty when the last one worked
};

struct ToolstackSettings {
    std::string state_dir;  ///< registry and console logs; made if missing, 0700
    std::vector<FlavourSettings> flavours;
    unsigned max_domains{0};  ///< 0: what the driver allows
    std::chrono::milliseconds shutdown_grace{std::chrono::seconds(5)};
};

struct ToolstackMetrics {
    std::uint64_t created{0}, failed{0}, destroyed{0}, died{0}, adopted{0}, undone{0};
    std::uint64_t domains{0};
    std::uint64_t console_bytes{0}, console_throttled{0};
    std::uint64_t vifs{0}, vbds{0};  ///< that domains have now
    std::uint64_t attached{0}, detached{0}, detached_by_force{0}, devices_stopped{0};
    /// Histogram per phase: counts of launches per bucket of microseconds 1, 2, 4 ... 2^20, above.
    std::array<std::array<std::uint64_t, 22>, phase_count> phase_us{};
    std::array<std::uint64_t, phase_count> phase_sum_us{};
};

/// Main thread only, except where a private refill thread prepares shells. Never blocks longer than one prepare.
class Toolstack {
 public:
    /// Reads the registry, reconciles it with the driver's domains (adopt, finish or undo), starts the refill.
    static Result<std::unique_ptr<Toolstack>> open(ToolstackSettings settings,
                                                   std::unique_ptr<hypervisor::Hypervisor> hypervisor,
                                                   Observer& observer);
    /// The same over a plane of the caller's.
    static Result<std::unique_ptr<Toolstack>> open(ToolstackSettings settings,
                                                   std::unique_ptr<hypervisor::Hypervisor> hypervisor,
                                                   Observer& observer, std::unique_ptr<noxs::DataPlane> plane);
    /// Stops the refill and destroys idle shells; domains live on.
    virtual ~Toolstack() = default;

    virtual const hypervisor::Capabilities& capabilities() const = 0;
    virtual Result<hypervisor::HostInfo> host_info() const = 0;

    /// Checks what can be checked without creating: name free, image valid and fits, addresses free, disks there.
    virtual Result<void> check(const VmConfig& config) = 0;

    /// Launches one domain: claim a shell or prepare one, load, start (unless config.paused). Hot. `begin` is when the
    /// request came in and `parse_ns` what parsing took; `caller` whether it waits for the guest next. On error nothing
    /// of it is left. Observer::on_event(created) is called before it returns; `ready` comes later through Observer.
    ///
    /// A foreign kernel is loaded aside: it is listed when this returns. When its loader is done and it was started it is
    /// told as `created`, and `ready`, which it can't say itself; or as `crashed` and `destroyed`, with the loader's
    /// reason.
    virtual Result<base::DomId> create(const VmConfig& config, Clock::time_point begin, std::uint32_t parse_ns,
                                       hypervisor::Caller caller = hypervisor::Caller::goes_on) = 0;

    virtual Result<base::DomId> find(std::string_view name) const = 0;
    virtual Result<DomainView> view(base::DomId domain) const = 0;
    /// DomainView::ready alone; false of a domain that there is not. Hot.
    virtual bool is_ready(base::DomId domain) const = 0;
    /// Whether it has been told as `created`: false for a foreign kernel that is being loaded.
    virtual bool is_created(base::DomId domain) const = 0;
    virtual std::vector<DomainView> list() const = 0;
    virtual Result<DomainDetails> details(base::DomId domain) const = 0;

    virtual Result<void> pause(base::DomId domain) = 0;
    virtual Result<void> unpause(base::DomId domain) = 0;
    /// Asks the guest to power off (or reboot); after the grace period it is ended by force. Returns at once. Error
    /// unsupported: it can't be asked (it is not native).
    virtual Result<void> shutdown(base::DomId domain) = 0;
    virtual Result<void> reboot(base::DomId domain) = 0;
    virtual Result<void> destroy(base::DomId domain) = 0;
    virtual Result<void> rename(base::DomId domain, std::string name) = 0;

    /// Its vifs, then its vbds. Asks the data plane: waits for a part of its work.
    virtual Result<std::vector<DeviceView>> devices(base::DomId domain) const = 0;
    /// Gives a running guest one more device; returns its id. Told as `attached`. Errors: limit_reached (no control page
    /// left), unsupported (not a native guest), and those of a launch.
    virtual Result<std::uint32_t> attach(base::DomId domain, const VifConfig& config) = 0;
    virtual Result<std::uint32_t> attach(base::DomId domain, const VbdConfig& config) = 0;
    /// Asks the guest to let go of the device, and takes it away when it has, after `timeout` in any case (0: at once).
    /// Returns its id at once; told as `detached`, perhaps before this returns. Error: not_found.
    virtual Result<std::uint32_t> detach(base::DomId domain, const DeviceChoice& device,
                                         std::chrono::milliseconds timeout) = 0;

    virtual Networks& networks() = 0;

    /// The kept console output: its bytes, and how many the guest wrote before them. For a while also of guests that
    /// have ended (the last 64).
    struct ConsoleText {
        std::uint64_t offset{0};
        std::string bytes;
    };
    virtual Result<ConsoleText> console_log(base::DomId domain) const = 0;
    /// Input for the guest's console: as much as fits; returns how many bytes it took.
    virtual Result<std::size_t> console_write(base::DomId domain, std::span<const char> bytes) = 0;

    virtual std::vector<FlavourStatus> pool_status() const = 0;
    /// Adds or changes the flavour of this shape (floor and ceiling 0: removes it and its shells).
    virtual Result<void> pool_set(const FlavourSettings& flavour) = 0;

    virtual const ToolstackMetrics& metrics() const = 0;
    /// Of the vifs and vbds of all domains since this daemon began, those that are gone too. Waits for the data plane.
    virtual noxs::DeviceTotals device_totals() const = 0;

    /// For the event loop: readable when `poll` has work; `deadline` when `poll` must be called all the same.
    virtual int poll_fd() const = 0;
    virtual std::optional<Clock::time_point> deadline() const = 0;
    /// Delivers events and does what is due. Bounded; call again while poll_fd is readable.
    virtual void poll() = 0;
};

}  // namespace split
