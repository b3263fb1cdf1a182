// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "base/fd.hpp"
#include "hypervisor/data_lane.hpp"
#include "hypervisor/process/guest_pages.hpp"

namespace hypervisor::process {

/// The data lane of a domain whose memory is a memfd: one mapping of all of it, so that nothing here but waking the guest
/// is a system call.
class ProcessLane final : public DataLane {
 public:
    /// What a lane is made of. It shares all of it with nobody but `doorbell`, and `open`, which it sets to false in the
    /// end.
    struct Parts {
        base::Mapping memory;  ///< from guest-physical 0
        GrantablePages grantable;
        std::shared_ptr<const base::Fd> doorbell;
        std::shared_ptr<std::atomic<bool>> open;
    };
    ProcessLane(base::DomId domain, Parts parts)
        : DataLane(domain, base::EvtchnPort{abi::data_port}), parts_(std::move(parts)) {}
    ~ProcessLane() override { parts_.open->store(false, std::memory_order_release); }

    int doorbell() const override { return parts_.doorbell->get(); }
    bool take_ring() override;
    Result<void> notify(base::EvtchnPort port) override;
    Result<base::Mapping> map_grant(base::GrantRef ref, base::Access access) override;
    void copy(std::span<GrantCopy> pieces, CopyDirection direction) override;
    bool in_place() const override { return true; }
    std::byte* granted(base::GrantRef ref, base::Access access) override;

 private:
    abi::EventPage& event_page() const { return *parts_.memory.at<abi::EventPage>(abi::event_page_gpa); }

    Parts parts_;
};

}  // namespace hypervisor::process
