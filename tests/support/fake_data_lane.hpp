// SPDX-License-Identifier: Apache-2.0
// The data lane of a fake domain: guest memory of the test, and the guest's end of the lane's event channel.
#pragma once

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/fd.hpp"
#include "base/hvm_start_info.hpp"
#include "hypervisor/data_lane.hpp"

namespace test_support {

/// Zeroed pages, given when they are touched; they outlive whoever made them for as long as a lane needs them.
inline std::shared_ptr<std::byte> make_guest_memory(std::size_t size) {
    void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return {static_cast<std::byte*>(at), [size](std::byte* memory) { ::munmap(memory, size); }};
}

/// The guest's end of a lane, and what a test may ask of the other one. Any thread.
class FakeLaneEnd {
 public:
    static constexpr std::uint32_t port = 64;

    /// The guest rings. As real ones it does not touch the doorbell while the last ring was not taken.
    void ring() {
        if (!rung_.exchange(true)) {
            const std::uint64_t one = 1;
            static_cast<void>(!::write(bell_.get(), &one, sizeof one));
        }
    }
    /// How often the guest was rung.
    unsigned notified() const { return notified_.load(); }
    /// Whether granted pages lie in the address space of the backend: false, as on Xen, leaves it map_grant and copy.
    void set_in_place(bool in_place) { in_place_.store(in_place); }
    /// Pages that were mapped by map_grant and not yet let go.
    unsigned mapped() const { return mapped_.load(); }
    /// Pieces that `copy` was given.
    unsigned copied() const { return copied_.load(); }
    bool is_open() const { return open_.load(); }
    /// What the last open_data_lane was told of an earlier daemon's port.
    std::optional<base::EvtchnPort> left() const {
        const auto left = left_.load();
        return left == 0 ? std::nullopt : std::optional(base::EvtchnPort{left});
    }
    /// The domain is gone: the lane is silent.
    void end() { ended_.store(true); }

 private:
    friend class FakeDataLane;
    base::Fd bell_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::atomic<bool> rung_{false};
    std::atomic<bool> in_place_{true};
    std::atomic<bool> open_{false};
    std::atomic<bool> ended_{false};
    std::atomic<unsigned> notified_{0};
    std::atomic<unsigned> mapped_{0};
    std::atomic<unsigned> copied_{0};
    std::atomic<std::uint32_t> left_{0};
};

/// A domain's memory as a lane sees it.
struct FakeLaneMemory {
    std::shared_ptr<std::byte> bytes;
    std::uint64_t size{0};
    std::uint64_t grant_table{0};  ///< address in it
    std::uint32_t grant_entries{0};
};

class FakeDataLane final : public hypervisor::DataLane {
 public:
    /// Error: bad_state while the domain has one.
    static hypervisor::Result<std::unique_ptr<DataLane>> open(base::DomId domain, std::shared_ptr<FakeLaneEnd> end,
                                                              FakeLaneMemory memory,
                                                              std::optional<base::EvtchnPort> left) {
        if (end->open_.exchange(true)) {
            return base::fail(base::Code::bad_state, "the domain has a data lane already");
        }
        end->left_.store(left ? left->value : 0);
        return std::unique_ptr<DataLane>(new FakeDataLane(domain, std::move(end), std::move(memory)));
    }
    ~FakeDataLane() override { end_->open_.store(false); }

    int doorbell() const override { return end_->bell_.get(); }
    bool take_ring() override { return end_->rung_.exchange(false); }
    hypervisor::Result<void> notify(base::EvtchnPort port) override {
        if (end_->ended_.load()) {
            return base::fail(base::Code::guest_died, "the domain is gone");
        }
        if (port != this->port()) {
            return base::fail(base::Code::invalid_argument, "not the port of the lane");
        }
        ++end_->notified_;
        return {};
    }
    hypervisor::Result<base::Mapping> map_grant(base::GrantRef ref, base::Access access) override {
        auto* page = find(ref, access);
        if (page == nullptr) {
            return base::fail(base::Code::permission_denied, "the guest has not granted that page");
        }
        ++end_->mapped_;
        return base::Mapping::take(page, base::page_size, [end = end_](std::byte*, std::size_t) { --end->mapped_; });
    }
    void copy(std::span<hypervisor::GrantCopy> pieces, hypervisor::CopyDirection direction) override {
        const bool out = direction == hypervisor::CopyDirection::to_guest;
        for (auto& piece : pieces) {
            auto* page = find(piece.ref, out ? base::Access::read_write : base::Access::read_only);
            ++end_->copied_;
            piece.done = page != nullptr && std::size_t{piece.offset} + piece.size <= base::page_size;
            if (piece.done) {
                auto* at = page + piece.offset;
                std::memcpy(out ? at : piece.local, out ? piece.local : at, piece.size);
            }
        }
    }
    bool in_place() const override { return end_->in_place_.load(); }
    std::byte* granted(base::GrantRef ref, base::Access access) override {
        return in_place() ? find(ref, access) : nullptr;
    }

 private:
    FakeDataLane(base::DomId domain, std::shared_ptr<FakeLaneEnd> end, FakeLaneMemory memory)
        : DataLane(domain, base::EvtchnPort{FakeLaneEnd::port}), end_(std::move(end)), memory_(std::move(memory)) {}

    std::byte* find(base::GrantRef ref, base::Access access) const {
        if (ref.value >= memory_.grant_entries) {
            return nullptr;
        }
        base::GrantEntryV1 entry;
        std::memcpy(&entry, memory_.bytes.get() + memory_.grant_table + ref.value * sizeof entry, sizeof entry);
        const bool permitted = (entry.flags & base::grant_type_mask) == base::grant_permit_access &&
                               entry.domid == base::dom0.value &&
                               (access == base::Access::read_only || (entry.flags & base::grant_readonly) == 0);
        const bool inside = entry.frame < memory_.size / base::page_size;
        return permitted && inside ? memory_.bytes.get() + (std::uint64_t{entry.frame} << base::page_shift) : nullptr;
    }

    std::shared_ptr<FakeLaneEnd> end_;
    FakeLaneMemory memory_;
};

}  // namespace test_support
