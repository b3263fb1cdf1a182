// SPDX-License-Identifier: Apache-2.0
// The second way into a domain, for the backends of its network and disks: independent of hypervisor::Domain, so that
// another thread can have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ids.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"

namespace hypervisor {

using base::Result;

/// Rings a guest. What a handshake needs of a domain, on either way into it.
class Notifier {
 public:
    virtual ~Notifier() = default;
    /// Makes `port` pending in the guest and wakes it. Hot: no allocation, lock or log.
    virtual Result<void> notify(base::EvtchnPort port) = 0;
};

/// One piece of a copy between a page that the guest granted and memory of this process.
struct GrantCopy {
    base::GrantRef ref;
    std::uint16_t offset{0};  ///< in the page; offset + size <= 4096
    std::uint16_t size{0};    ///< bytes
    std::byte* local{nullptr};
    bool done{false};  ///< set by DataLane::copy: false, the guest has not granted that, or it leaves the page
};
enum class CopyDirection : std::uint8_t { from_guest, to_guest };

/// One event channel and the granted pages of one domain, for one thread at a time, any thread. Made by
/// Domain::open_data_lane, which it outlives safely: after the domain's end it is silent. Let it go before the domain is
/// destroyed (Xen keeps a domain whose pages are mapped).
class DataLane : public Notifier {
 public:
    base::DomId domain() const { return domain_; }
    /// The guest's end of the lane's event channel.
    base::EvtchnPort port() const { return port_; }

    /// Becomes readable when the guest rings; wait for edges (EPOLLET). The lane's, never read by others.
    virtual int doorbell() const = 0;
    /// Whether the guest has rung since the last call. After true the guest may ring again.
    virtual bool take_ring() = 0;

    using Notifier::notify;
    void notify() { static_cast<void>(notify(port_)); }  // a guest that is gone hears nothing

    /// Maps the page that the guest granted to dom0 under `ref`, after checking the grant table as it stands now. For
    /// control pages and rings: lasting. Must not outlive the lane.
    virtual Result<base::Mapping> map_grant(base::GrantRef ref, base::Access access) = 0;

    /// Copies, checking each grant as it stands now. Hot.
    virtual void copy(std::span<GrantCopy> pieces, CopyDirection direction) = 0;

    /// Whether granted pages lie in this process's address space anyway, so that `granted` works.
    virtual bool in_place() const = 0;
    /// The page behind `ref`, checked as by `map_grant`, for as long as the lane lives; null: not granted, or not
    /// in_place. The guest writes it as it likes meanwhile. Hot.
    virtual std::byte* granted(base::GrantRef ref, base::Access access) = 0;

 protected:
    DataLane(base::DomId domain, base::EvtchnPort port) : domain_(domain), port_(port) {}
    DataLane(const DataLane&) = delete;
    DataLane& operator=(const DataLane&) = delete;

 private:
    base::DomId domain_;
    base::EvtchnPort port_;
};

}  // namespace hypervisor
