// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hypervisor/hypervisor.hpp"
#include "noxs/backend.hpp"
#include "split-toolstack/domain_table.hpp"
#include "split-toolstack/image_cache.hpp"
#include "split-toolstack/kept_consoles.hpp"
#include "split-toolstack/loader.hpp"
#include "split-toolstack/pool.hpp"
#include "split-toolstack/registry.hpp"
#include "split-toolstack/timers.hpp"
#include "split-toolstack/toolstack.hpp"

namespace split {

/// The toolstack over any driver. Its parts: launch.cpp, manage.cpp, view.cpp, events.cpp, endings.cpp, reconcile.cpp.
class ToolstackImpl final : public Toolstack, private hypervisor::EventSink, private noxs::BackendListener {
 public:
    ToolstackImpl(ToolstackSettings settings, std::unique_ptr<hypervisor::Hypervisor> hypervisor, Observer& observer,
                  Registry registry);
    ~ToolstackImpl() override;

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

    Result<ConsoleText> console_log(base::DomId domain) const override;
    Result<std::size_t> console_write(base::DomId domain, std::span<const char> bytes) override;

    std::vector<FlavourStatus> pool_status() const override;
    Result<void> pool_set(const FlavourSettings& flavour) override;
    const ToolstackMetrics& metrics() const override;

    int poll_fd() const override { return hypervisor_->poll_fd(); }
    std::optional<Clock::time_point> deadline() const override;
    void poll() override;

 private:
    // launch.cpp
    enum class Shells : std::uint8_t {
        pooled,  ///< one of the pool, if it has one
        fresh,   ///< none of the pool: a domain is prepared now
    };
    struct Launch {
        const VmConfig& config;
        Clock::time_point begin;
        std::uint32_t parse_ns;
        hypervisor::Caller caller{hypervisor::Caller::goes_on};
        Wanted wanted;
        RestartLimit restarts;
        Shells shells{Shells::pooled};
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
    Result<std::unique_ptr<Shell>> prepare_now(const hypervisor::ShellSpec& spec, const VmConfig& config);
    Result<std::unique_ptr<Shell>> prepare_once(const hypervisor::ShellSpec& spec, const VmConfig& config);
    std::unique_ptr<LiveDomain> make_live(const Launch& order, const Images& images, Shell& shell) const;
    Result<void> boot(LiveDomain& live, const Images& images, hypervisor::Caller caller);
    Result<void> set_going(LiveDomain& live, hypervisor::Caller caller);
    LiveDomain& introduce(std::unique_ptr<LiveDomain> live, const Pool::Claim& claim);
    LiveDomain& load_aside(std::unique_ptr<LiveDomain> live, Images images);
    void take_loaded();
    Result<void> finish_load(LiveDomain& live, Loader::Done done);
    LiveDomain& publish(std::unique_ptr<LiveDomain> live);
    void abandon(LiveDomain& live);
    void told_to_run(const LiveDomain& live);

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
    void succeed(LiveDomain& live, Ending ending, const Launch& order);
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
