// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "hypervisor/hypervisor.hpp"
#include "noxs/backend.hpp"
#include "noxs/data_plane.hpp"
#include "split-toolstack/domain_table.hpp"
#include "split-toolstack/image_cache.hpp"
#include "split-toolstack/kept_consoles.hpp"
#include "split-toolstack/loader.hpp"
#include "split-toolstack/pool.hpp"
#include "split-toolstack/registry.hpp"
#include "split-toolstack/timers.hpp"
#include "split-toolstack/toolstack.hpp"

namespace split {

/// The toolstack over any driver. Its parts: launch.cpp, data_devices.cpp, hotplug.cpp, manage.cpp, view.cpp, events.cpp,
/// endings.cpp, reconcile.cpp.
class ToolstackImpl final : public Toolstack,
                            private hypervisor::EventSink,
                            private noxs::BackendListener,
                            private noxs::PlaneListener {
 public:
    ToolstackImpl(ToolstackSettings settings, std::unique_ptr<hypervisor::Hypervisor> hypervisor, Observer& observer,
                  Registry registry);
    ~ToolstackImpl() override;

    /// Makes the networks over `plane`, and the descriptor for the event loop. First of all.
    Result<void> open_plane(std::unique_ptr<noxs::DataPlane> plane);
    /// Adopts, finishes or undoes what an earlier daemon left.
    Result<void> reconcile();
    Result<void> open_pool();

    const hypervisor::Capabilities& capabilities() const override { return hypervisor_->capabilities(); }
    Result<hypervisor::HostInfo> host_info() const override { return hypervisor_->host_info(); }
    Result<void> check(const VmConfig& config) override;
    Result<base::DomId> create(const VmConfig& config, Clock::time_point begin, std::uint32_t parse_ns,
                               hypervisor::Caller caller) override;

    Result<base::DomId> find(std::string_view name) const override;
    Result<DomainView> view(base::DomId domain) const override;
    bool is_ready(base::DomId domain) const override;
    bool is_created(base::DomId domain) const override;
    std::vector<DomainView> list() const override;
    Result<DomainDetails> details(base::DomId domain) const override;

    Result<void> pause(base::DomId domain) override;
    Result<void> unpause(base::DomId domain) override;
    Result<void> shutdown(base::DomId domain) override;
    Result<void> reboot(base::DomId domain) override;
    Result<void> destroy(base::DomId domain) override;
    Result<void> rename(base::DomId domain, std::string name) override;

    Result<std::vector<DeviceView>> devices(base::DomId domain) const override;
    Result<std::uint32_t> attach(base::DomId domain, const VifConfig& config) override;
    Result<std::uint32_t> attach(base::DomId domain, const VbdConfig& config) override;
    Result<std::uint32_t> detach(base::DomId domain, const DeviceChoice& device,
                                 std::chrono::milliseconds timeout) override;
    Networks& networks() override { return *networks_; }

    Result<ConsoleText> console_log(base::DomId domain) const override;
    Result<std::size_t> console_write(base::DomId domain, std::span<const char> bytes) override;

    std::vector<FlavourStatus> pool_status() const override;
    Result<void> pool_set(const FlavourSettings& flavour) override;
    const ToolstackMetrics& metrics() const override;
    noxs::DeviceTotals device_totals() const override { return plane_->totals(); }

    int poll_fd() const override { return epoll_.get(); }
    std::optional<Clock::time_point> deadline() const override;
    void poll() override;

 private:
    // launch.cpp
    enum class Shells : std::uint8_t {
        pooled,  ///< one of the pool, if it has one
        fresh,   ///< none of the pool: a domain is prepared now
    };
    /// What a guest that restarts leaves to its successor.
    struct Heritage {
        base::DomId from;
        std::vector<VifRecord> vifs;
    };
    struct Launch {
        const VmConfig& config;
        Clock::time_point begin;
        std::uint32_t parse_ns;
        hypervisor::Caller caller{hypervisor::Caller::goes_on};
        Wanted wanted;
        RestartLimit restarts;
        Shells shells{Shells::pooled};
        const Heritage* heritage{nullptr};
    };
    /// What a launch needs of networks and disks: found before anything is made.
    struct DevicePlan {
        std::vector<noxs::VifSettings> vifs;
        std::vector<noxs::VbdSettings> vbds;
    };
    struct Images {
        std::shared_ptr<const LoadedImage> kernel;
        hypervisor::Image image;  ///< looks into `kernel`; of the kind that was chosen
        std::shared_ptr<const ImageCache::Ramdisk> ramdisk;
    };
    Result<base::DomId> launch(const Launch& order);
    Result<base::DomId> launch_once(const Launch& order, bool& from_pool);
    Result<void> admit(const VmConfig& config) const;
    Result<void> admit_shape(const VmConfig& config) const;
    Result<Images> find_images(const VmConfig& config);
    Result<std::unique_ptr<Shell>> prepare_now(const Shape& shape, const VmConfig& config);
    Result<std::unique_ptr<Shell>> prepare_once(const Shape& shape, const VmConfig& config);
    std::unique_ptr<LiveDomain> make_live(const Launch& order, const Images& images, Shell& shell) const;
    Result<void> boot(LiveDomain& live, const Images& images, hypervisor::Caller caller);
    Result<void> set_going(LiveDomain& live, hypervisor::Caller caller);
    LiveDomain& introduce(std::unique_ptr<LiveDomain> live, const Pool::Claim& claim);
    LiveDomain& load_aside(std::unique_ptr<LiveDomain> live, Images images);
    void take_loaded();
    Result<void> finish_load(LiveDomain& live, Loader::Done done);
    LiveDomain& publish(std::unique_ptr<LiveDomain> live);
    void abandon(LiveDomain& live, const Heritage* heritage);
    void told_to_run(const LiveDomain& live);

    // data_devices.cpp
    /// The lock of a disk lasts until the last request for it is done, also of a guest or daemon that is gone.
    static constexpr auto disk_patience = std::chrono::seconds(5);
    static constexpr auto disk_retry = std::chrono::milliseconds(50);
    Result<std::vector<noxs::VbdSettings>> open_disks(const std::vector<VbdConfig>& disks) const;
    Result<DevicePlan> plan_devices(const VmConfig& config, const Heritage* heritage);
    void record_devices(LiveDomain& live, const DevicePlan& plan) const;
    void serve(LiveDomain& live, DevicePlan plan, const Heritage* heritage);
    /// The data plane has nothing of it any more. Before its end, always.
    void stop_serving(LiveDomain& live);
    void give_back_addresses(const LiveDomain& live);
    void take_recorded_addresses(const LiveDomain& live);
    void serve_adopted(LiveDomain& live);
    void add_adopted(LiveDomain& live);
    void leave_again(LiveDomain& live, const noxs::DeviceName& device, Clock::time_point now);
    /// Tries to open a disk of an adopted guest; false: it is tried again.
    bool open_left_disk(LiveDomain& live, DataState::MissingDisk& disk, Clock::time_point now);
    void give_up_disk(LiveDomain& live, DataState::MissingDisk& disk, noxs::wire::State state);
    void look_for_disks(LiveDomain& live, Clock::time_point now);

    // hotplug.cpp
    struct Plug;
    Result<LiveDomain*> changeable(base::DomId domain);
    Result<std::uint32_t> plug(LiveDomain& live, Plug what);
    Result<noxs::wire::DeviceEntry> describe_new(LiveDomain& live, const Plug& what);
    Result<noxs::DeviceName> chosen(const LiveDomain& live, const DeviceChoice& device) const;
    void detach_by(LiveDomain& live, const noxs::DeviceName& device, Clock::time_point until);
    void finish_detach(LiveDomain& live, const noxs::DeviceName& device, bool forced);
    void take_away(LiveDomain& live, const noxs::DeviceName& device);
    void force_detaches(LiveDomain& live, Clock::time_point now);
    void page_changes(Record& record, const LiveDomain& live) const;
    void page_changed(LiveDomain& live);
    void on_stopped(const noxs::DeviceName& device, const std::string& why) override;
    void on_closed(const noxs::DeviceName& device) override;
    void poll_plane();
    void emit(EventKind kind, const LiveDomain& live, const noxs::DeviceName& device, std::string_view how,
              bool forced);

    // events.cpp: hypervisor::EventSink, noxs::BackendListener
    void on_channel(base::DomId domain, base::EvtchnPort port) override;
    void on_death(base::DomId domain, const hypervisor::Death& death) override;
    void on_lost(const base::Error& why) override;
    void on_ready(base::DomId domain) override;
    void on_shutdown(base::DomId domain, noxs::wire::ShutdownReason reason, std::int32_t exit_code) override;
    void on_acknowledged(base::DomId domain, std::uint32_t requests) override;
    void on_console_output(base::DomId domain, std::uint64_t offset, std::span<const char> bytes) override;
    void look_again(base::DomId domain, std::optional<Clock::time_point> when);
    void due(base::DomId domain, Clock::time_point now);
    void force_by(LiveDomain& live, Clock::time_point when);
    void measured(LiveDomain& live, Clock::time_point now);
    void flush(Clock::time_point now);
    void emit(EventKind kind, const LiveDomain& live, std::string detail = {}, std::int32_t code = 0);

    // endings.cpp
    void finish_death(base::DomId domain, const hypervisor::Death& death);
    void report(LiveDomain& live, Ending& ending);
    void force(LiveDomain& live);
    void conclude(LiveDomain& live, Ending ending, EndAction action);
    void restart(LiveDomain& live, Ending ending);
    void relaunch(LiveDomain& live, Ending ending);
    void succeed(LiveDomain& live, Ending ending, Launch order);
    bool postpone(LiveDomain& live, const Ending& ending, const Launch& order);
    void succeed_at_last(LiveDomain& live);
    void preserve(LiveDomain& live, Ending ending);
    /// Removes an ended domain and says so; false: it could not be removed and stays listed as ended.
    bool forget(LiveDomain& live, Ending ending);
    /// Forgets the domain and gives back all that it holds; its console is kept for a while. On error it is still there.
    Result<void> remove(LiveDomain& live);
    void keep_console(LiveDomain& live);

    // manage.cpp
    Result<LiveDomain*> living(base::DomId domain);
    Result<void> save_wanted(LiveDomain& live, Wanted wanted);
    Result<void> ask(base::DomId domain, Asked asked);

    // view.cpp
    DomainView view_of(const LiveDomain& live, const hypervisor::DomainInfo& info) const;

    // reconcile.cpp
    void adopt(std::unique_ptr<hypervisor::Domain> domain, Record record, const hypervisor::DomainInfo& info);
    Result<void> resume(LiveDomain& live, const hypervisor::DomainInfo& info);
    void undo(hypervisor::Domain& domain);
    void report_lost(const Record& record);
    void remove_stray_forwards();
    Result<void> remove_stray_logs();

    unsigned max_domains() const;
    BackendSite site() { return {.listener = *this, .console_dir = console_dir_}; }

    ToolstackSettings settings_;
    std::string console_dir_;
    std::unique_ptr<hypervisor::Hypervisor> hypervisor_;
    Observer& observer_;
    Registry registry_;
    ImageCache images_;
    DomainTable domains_;
    base::Fd epoll_;                          // over hypervisor and plane
    std::unique_ptr<noxs::DataPlane> plane_;  // it has lanes of domains
    std::unique_ptr<Networks> networks_;      // uses the plane
    std::vector<noxs::DeviceName> closed_;    // found by the poll under way
    std::vector<std::pair<noxs::DeviceName, std::string>> stopped_;
    Timers timers_;
    KeptConsoles kept_;
    ReportLimit reports_;
    mutable ToolstackMetrics metrics_;  // the sums over living domains are made when asked for
    std::uint64_t throttled_gone_{0};   // of domains that are gone
    std::vector<std::pair<base::DomId, hypervisor::Death>> deaths_;  // found by the poll under way
    std::optional<Clock::time_point> flush_at_;                      // measurements wait to be written
    Clock::time_point last_launch_{};
    std::optional<base::Error> lost_;
    Loader loader_;             // its thread uses domains, and so the hypervisor
    std::optional<Pool> pool_;  // last: its thread uses what is above
};

/// "no such domain".
std::unexpected<base::Error> no_such_domain(base::DomId domain);

}  // namespace split
