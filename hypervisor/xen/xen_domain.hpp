// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/ring_limit.hpp"
#include "hypervisor/xen/boot_state.hpp"
#include "hypervisor/xen/domain_tag.hpp"
#include "hypervisor/xen/event_ports.hpp"
#include "hypervisor/xen/libxen.hpp"
#include "hypervisor/xen/xen_abi.hpp"

namespace hypervisor::xen {

class XenDriver;

/// The general registers out of what Xen saves of a vCPU.
Registers registers_of(const HvmCpu& cpu);

// xen_domain_load.cpp: load and what it takes; xen_domain_channels.cpp: event channels and the data lane; xen_domain.cpp:
// the rest.

/// The toolstack's handles of one Xen domain. Of a native one: a window onto its pages below 1 MiB for as long as it
/// lives, and, until it has started, one onto the RAM where images begin, so that loading needs no hypercall.
class XenDomain final : public Domain {
 public:
    /// A domain that was just built: maps it and fills its boot page.
    static Result<std::unique_ptr<XenDomain>> fresh(XenDriver& driver, base::DomId id, const DomainTag& tag);
    /// A domain of an earlier daemon: maps it and binds to the event channels that wait.
    static Result<std::unique_ptr<XenDomain>> adopted(XenDriver& driver, base::DomId id, const DomainTag& tag,
                                                      const xc_domaininfo_t& info);
    ~XenDomain() override;

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

    // ---- for XenDriver

    bool dead() const { return dead_; }
    /// Works out why it ended, from what Xen says of it.
    const Death& bury(const xc_domaininfo_t& info);
    /// Counts one ring; false: this guest floods, leave it masked until the window ends.
    bool may_ring(std::chrono::steady_clock::time_point now) { return ring_limit_.allow(now); }

 private:
    XenDomain(XenDriver& driver, base::DomId id, const DomainTag& tag);
    Result<void> map_low_pages();
    Result<void> open_image_window();
    Result<void> load_native(const Image& image, const BootParams& params);
    Result<std::uint64_t> place_ramdisk(const Image& image, std::span<const std::byte> ramdisk);
    Result<void> place_image(const Image& image);
    Result<void> write_start_info(const BootParams& params, std::uint64_t ramdisk_gpa);
    Result<void> clear(std::uint64_t gpa, std::uint64_t size);
    void close_channels();
    const Toolstack& toolstack() const;
    std::byte* find_window(std::uint64_t gpa, std::size_t size) const;
    Result<base::Mapping> map_range(std::uint64_t gpa, std::size_t size) const;
    Death read_death(const xc_domaininfo_t& info) const;
    void read_registers(Death& death) const;
    Result<xc_dominfo_t> ask() const;
    abi::BootPage& boot_page() const { return *low_.at<abi::BootPage>(); }
    bool native() const { return tag_.kind == GuestKind::native; }

    XenDriver& driver_;
    DomainTag tag_;
    base::Mapping low_;     ///< boot page, start info, device page, control pages, then the grant table
    base::Mapping window_;  ///< RAM from 1 MiB; gone once started
    std::vector<EventPorts::Local> locals_;      ///< by the guest's port - 1; 0: none
    std::optional<base::EvtchnPort> lane_port_;  ///< once it has had a lane
    std::shared_ptr<std::atomic<bool>> lane_open_{std::make_shared<std::atomic<bool>>(false)};
    bool loaded_{false};
    bool started_{false};
    bool paused_{false};
    bool dead_{false};
    bool destroyed_{false};
    Death death_;
    RingLimit ring_limit_;
};

}  // namespace hypervisor::xen
