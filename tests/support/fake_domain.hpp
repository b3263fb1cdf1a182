// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "base/hvm_start_info.hpp"
#include "hypervisor/hypervisor.hpp"
#include "noxs/wire/control_page.hpp"
#include "tests/support/fake_data_lane.hpp"

namespace test_support {

/// A domain in ordinary memory, for tests of what lies above the hypervisor interface: guest pages, a grant table that
/// is checked on every map, and counted notifications. The test plays the guest by writing to `page`.
class FakeDomain final : public hypervisor::Domain {
 public:
    static constexpr std::uint64_t pages = 1024;
    static constexpr std::uint64_t device_page_gfn = 1;
    static constexpr std::uint64_t grant_table_gfn = 2;
    static constexpr std::uint32_t grant_entries = 2 * base::page_size / sizeof(base::GrantEntryV1);
    static constexpr std::uint64_t control_gfn = 4;
    static constexpr unsigned control_pages = 8;
    static constexpr std::uint64_t ram_gfn = 16;

    explicit FakeDomain(base::DomId id = base::DomId(7))
        : Domain(id, {base::Bytes(pages * base::page_size), base::Gfn(device_page_gfn), base::Gfn(control_gfn),
                      control_pages}),
          memory_(make_guest_memory(size())) {}
    ~FakeDomain() override { lane_->end(); }

    // ---- what the guest sees

    /// The guest page `gfn` as an object.
    template <class T>
    T& page(std::uint64_t gfn) {
        return *reinterpret_cast<T*>(at(gfn));
    }
    base::GrantEntryV1& grant(std::uint32_t ref) { return (&page<base::GrantEntryV1>(grant_table_gfn))[ref]; }
    void grant_page(std::uint32_t ref, std::uint64_t gfn, std::uint16_t backend = 0) {
        grant(ref) = {base::grant_permit_access, backend, static_cast<std::uint32_t>(gfn)};
    }

    // ---- what the test asks

    unsigned notified(std::uint32_t port) { return notified_[port]; }
    unsigned grant_maps() const { return grant_maps_; }
    /// From now on the domain is dead: notifications fail.
    void die() {
        dead_ = true;
        lane_->end();
    }
    /// The guest's end of the data lane: `ring`, `notified`, `set_in_place` ...
    FakeLaneEnd& lane() { return *lane_; }

    // ---- hypervisor::Domain

    base::Result<base::EvtchnPort> open_channel() override { return base::EvtchnPort(++last_port_); }
    base::Result<void> seed_grant(base::GrantRef ref, base::DomId backend, base::Gfn frame) override {
        grant_page(ref.value, frame.value, backend.value);
        return {};
    }
    base::Result<std::unique_ptr<hypervisor::DataLane>> open_data_lane(std::optional<base::EvtchnPort> left) override {
        return FakeDataLane::open(id_, lane_, {memory_, size(), grant_table_gfn << base::page_shift, grant_entries},
                                  left);
    }
    base::Result<void> write(std::uint64_t gpa, std::span<const std::byte> bytes) override {
        if (gpa > size() || bytes.size() > size() - gpa) {
            return base::fail(base::Code::invalid_argument, "write beyond the domain");
        }
        std::memcpy(memory_.get() + gpa, bytes.data(), bytes.size());
        return {};
    }
    base::Result<base::Mapping> map_pages(base::Gfn first, std::size_t count) override {
        if (first.value >= pages || count > pages - first.value) {
            return base::fail(base::Code::invalid_argument, "pages beyond the domain");
        }
        return base::Mapping::view(at(first.value), count * base::page_size);
    }
    base::Result<base::Mapping> map_grant(base::GrantRef ref, base::DomId backend, base::Access) override {
        if (ref.value >= grant_entries) {
            return base::fail(base::Code::protocol_error, "no such grant");
        }
        const base::GrantEntryV1 entry = grant(ref.value);
        if ((entry.flags & base::grant_type_mask) != base::grant_permit_access || entry.domid != backend.value ||
            entry.frame >= pages) {
            return base::fail(base::Code::protocol_error, "the guest does not grant this page");
        }
        ++grant_maps_;
        return map_pages(base::Gfn(entry.frame), 1);
    }
    base::Result<void> load(const hypervisor::Image&, const hypervisor::BootParams&) override { return {}; }
    base::Result<void> start(hypervisor::Caller) override { return {}; }
    base::Result<void> notify(base::EvtchnPort port) override {
        if (dead_) {
            return base::fail(base::Code::guest_died, "the domain is dead");
        }
        ++notified_[port.value];
        return {};
    }
    base::Result<void> pause() override { return {}; }
    base::Result<void> unpause() override { return {}; }
    base::Result<void> set_affinity(std::uint64_t) override { return {}; }
    base::Result<void> destroy() override { return {}; }
    base::Result<hypervisor::DomainInfo> info(hypervisor::Detail) override { return hypervisor::DomainInfo{}; }

 private:
    static constexpr std::uint64_t size() { return pages * base::page_size; }
    std::byte* at(std::uint64_t gfn) const { return memory_.get() + (gfn << base::page_shift); }

    std::shared_ptr<std::byte> memory_;
    std::shared_ptr<FakeLaneEnd> lane_{std::make_shared<FakeLaneEnd>()};
    std::map<std::uint32_t, unsigned> notified_;
    std::uint32_t last_port_{0};
    unsigned grant_maps_{0};
    bool dead_{false};
};

}  // namespace test_support
