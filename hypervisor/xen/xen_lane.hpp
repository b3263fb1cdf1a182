// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "hypervisor/data_lane.hpp"
#include "hypervisor/xen/libxen.hpp"

namespace hypervisor::xen {

/// The data lane of a Xen domain: handles of its own, so that its thread shares none with another. What it maps keeps the
/// domain's pages from going: a domain that is destroyed before stays as a zombie until then.
class XenLane final : public DataLane {
 public:
    /// Binds to `guest`, a port of `domain` that waits for this one. `open` is set to false when the lane goes.
    static Result<std::unique_ptr<DataLane>> open(base::DomId domain, base::EvtchnPort guest,
                                                  std::shared_ptr<std::atomic<bool>> open);
    ~XenLane() override { open_->store(false, std::memory_order_release); }

    int doorbell() const override { return ::xenevtchn_fd(events_.get()); }
    bool take_ring() override;
    Result<void> notify(base::EvtchnPort port) override;
    Result<base::Mapping> map_grant(base::GrantRef ref, base::Access access) override;
    /// One call of the kernel for each 64 pieces.
    void copy(std::span<GrantCopy> pieces, CopyDirection direction) override;
    bool in_place() const override { return false; }
    std::byte* granted(base::GrantRef, base::Access) override { return nullptr; }

 private:
    XenLane(base::DomId domain, base::EvtchnPort guest, EventHandle events, GrantHandle grants, evtchn_port_t local,
            std::shared_ptr<std::atomic<bool>> open)
        : DataLane(domain, guest),
          events_(std::move(events)),
          grants_(std::move(grants)),
          local_(local),
          open_(std::move(open)) {}
    void copy_some(std::span<GrantCopy> pieces, CopyDirection direction);

    EventHandle events_;
    GrantHandle grants_;
    evtchn_port_t local_;
    std::shared_ptr<std::atomic<bool>> open_;
};

/// Maps what `domain` granted under `ref`, as Xen checks it. The mapping must not outlive `grants`.
Result<base::Mapping> map_grant_of(xengnttab_handle* grants, base::DomId domain, base::GrantRef ref,
                                   base::Access access);

/// `piece` as the kernel's grant device takes it.
xengnttab_grant_copy_segment_t copy_segment(base::DomId domain, const GrantCopy& piece, CopyDirection direction);

}  // namespace hypervisor::xen
