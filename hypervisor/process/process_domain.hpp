// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "base/fd.hpp"
#include "hypervisor/hypervisor.hpp"
#include "hypervisor/process/guest_pages.hpp"
#include "hypervisor/process/hv_client.hpp"
#include "hypervisor/process/process_abi.hpp"
#include "hypervisor/ring_limit.hpp"

namespace hypervisor::process {

class ProcessDriver;

/// What chaos-hv told, in the interface's words.
Death death_of(const Reply& reply);

/// The toolstack's handles of one domain: its memory as a memfd, one window onto its event page and control pages, and
/// the doorbell that the guest rings (two descriptors and one mapping a domain; with a data lane one more of each).
class ProcessDomain final : public Domain {
 public:
    /// Maps the window. `driver` outlives the domain.
    static Result<std::unique_ptr<ProcessDomain>> open(ProcessDriver& driver, DomainHandles handles);
    ~ProcessDomain() override;

    Result<base::EvtchnPort> open_channel() override;
    Result<void> seed_grant(base::GrantRef ref, base::DomId backend, base::Gfn frame) override;
    Result<std::unique_ptr<DataLane>> open_data_lane(std::optional<base::EvtchnPort> left) override;
    Result<void> write(std::uint64_t gpa, std::span<const std::byte> bytes) override;
    Result<base::Mapping> map_pages(base::Gfn first, std::size_t count) override;
    Result<base::Mapping> map_grant(base::GrantRef ref, base::DomId backend, base::Access access) override;
    Result<void> load(const Image& image, const BootParams& params) override;
    Result<void> start(Caller caller) override;
    Result<void> notify(base::EvtchnPort port) override;
    Result<void> pause() override;
    Result<void> unpause() override;
    Result<void> set_affinity(std::uint64_t cpus) override;
    Result<void> destroy() override;
    Result<DomainInfo> info(Detail detail) override;

    // ---- for ProcessDriver

    int doorbell() const { return doorbell_.get(); }
    /// Reports every port that the guest made pending since the last call, each once.
    void deliver(EventSink& sink);
    void set_death(const Death& death);
    /// Counts a ring at `now`; false when this guest rings so often that it should not be listened to for a while.
    bool may_ring(std::chrono::steady_clock::time_point now) { return ring_limit_.allow(now); }

 private:
    ProcessDomain(ProcessDriver& driver, DomainHandles handles, base::Mapping window);
    Result<base::Mapping> map(std::uint64_t gpa, std::size_t size, base::Access access);
    abi::EventPage& event_page() const { return *window_.at<abi::EventPage>(); }
    Result<std::uint64_t> place_ramdisk(const Image& image, std::span<const std::byte> ramdisk);
    Result<void> write_start_info(const BootParams& params, std::uint64_t ramdisk_gpa);
    Phase phase() const;
    GrantablePages grantable() const;
    void wake_on_this_processor() const;

    ProcessDriver& driver_;
    base::Fd memory_;
    base::Fd doorbell_;
    std::shared_ptr<const base::Fd> data_doorbell_;  ///< null: it has no doorbell of its own for that
    std::shared_ptr<std::atomic<bool>> lane_open_;   ///< false: its ports are this object's
    base::Mapping window_;                           ///< event page, then the control pages
    Kind kind_;
    std::int32_t pid_{0};
    std::uint32_t next_port_{1};
    bool bound_{false};  ///< to processors that somebody chose
    bool paused_{false};
    bool dead_{false};
    bool destroyed_{false};
    Death death_;
    RingLimit ring_limit_;
};

}  // namespace hypervisor::process
