// SPDX-License-Identifier: Apache-2.0
// A guest that is made once and set back for each input, and a lane to it that makes no system call: targets that read
// shared pages run tens of thousands of inputs a second on it.
#pragma once

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "base/hvm_start_info.hpp"
#include "base/ids.hpp"
#include "hypervisor/data_lane.hpp"

namespace fuzz {

/// Ends the run, as a sanitizer would, when a backend breaks its promise.
inline void require(bool held) {
    if (!held) {
        std::abort();
    }
}

/// Sixteen pages. Those below `first_data` have unreadable memory on both sides; the others lie side by side.
class Guest {
 public:
    static constexpr std::uint32_t pages = 16;
    static constexpr std::uint64_t control_gfn = 1;
    static constexpr std::uint64_t grant_table_gfn = 4;
    static constexpr std::uint64_t first_data = 8;
    static constexpr std::uint32_t grant_entries = base::page_size / sizeof(base::GrantEntryV1);

    Guest() {
        for (std::uint64_t gap = 1; gap < 2 * first_data; gap += 2) {
            ASAN_POISON_MEMORY_REGION(memory_[gap].bytes, base::page_size);
        }
        ASAN_POISON_MEMORY_REGION(memory_.back().bytes, base::page_size);
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    /// Bytes that will be written, by whomever: `reset` undoes it.
    std::span<std::byte, base::page_size> page(std::uint64_t gfn) {
        written_ |= 1U << gfn;
        return std::span<std::byte, base::page_size>(at(gfn), base::page_size);
    }
    template <class T>
    T& page_as(std::uint64_t gfn) {
        return *reinterpret_cast<T*>(page(gfn).data());
    }
    base::GrantEntryV1& grant(std::uint32_t ref) { return (&page_as<base::GrantEntryV1>(grant_table_gfn))[ref]; }
    void grant_page(std::uint32_t ref, std::uint64_t gfn) {
        grant(ref) = {base::grant_permit_access, 0, static_cast<std::uint32_t>(gfn)};
    }
    /// The page behind `ref` as the grant table stands now, or null.
    std::byte* granted(std::uint32_t ref, base::Access access) {
        if (ref >= grant_entries) {
            return nullptr;
        }
        base::GrantEntryV1 entry;
        std::memcpy(&entry, at(grant_table_gfn) + ref * sizeof entry, sizeof entry);
        const bool permitted = (entry.flags & base::grant_type_mask) == base::grant_permit_access &&
                               entry.domid == base::dom0.value &&
                               (access == base::Access::read_only || (entry.flags & base::grant_readonly) == 0);
        if (!permitted || entry.frame >= pages) {
            return nullptr;
        }
        return access == base::Access::read_only ? at(entry.frame) : page(entry.frame).data();
    }

    /// What `reset` goes back to.
    void keep() {
        for (std::uint64_t gfn = 0; gfn < pages; ++gfn) {
            std::memcpy(kept_[gfn].bytes, at(gfn), base::page_size);
        }
        written_ = 0;
    }
    void reset() {
        for (std::uint64_t gfn = 0; gfn < pages; ++gfn) {
            if ((written_ >> gfn & 1) != 0) {
                std::memcpy(at(gfn), kept_[gfn].bytes, base::page_size);
            }
        }
        written_ = 0;
        strike_.reset();
    }

    /// Puts bytes into a page, as far as they fit.
    void put(std::uint64_t gfn, std::size_t offset, std::span<const std::uint8_t> bytes) {
        const auto to = page(gfn).subspan(offset % base::page_size);
        std::memcpy(to.data(), bytes.data(), std::min(bytes.size(), to.size()));
    }
    /// The same, but the backend has looked at, or told, the guest `after` more times by then.
    void strike(unsigned after, std::uint64_t gfn, std::size_t offset, std::span<const std::uint8_t> bytes) {
        strike_ = Strike{after, gfn, offset, bytes};
    }
    /// The backend does something that takes a while: the guest's other processors run.
    void meanwhile() {
        if (strike_ && strike_->after-- == 0) {
            const Strike now = *std::exchange(strike_, std::nullopt);
            put(now.gfn, now.offset, now.bytes);
        }
    }

 private:
    struct Strike {
        unsigned after;
        std::uint64_t gfn;
        std::size_t offset;
        std::span<const std::uint8_t> bytes;
    };
    struct alignas(base::page_size) Page {
        std::byte bytes[base::page_size]{};
    };

    std::byte* at(std::uint64_t gfn) { return memory_[gfn < first_data ? 2 * gfn : gfn + first_data].bytes; }

    std::array<Page, pages + first_data + 1> memory_{};
    std::array<Page, pages> kept_{};
    std::uint32_t written_{0};
    std::optional<Strike> strike_;
};

class Lane final : public hypervisor::DataLane {
 public:
    explicit Lane(Guest& guest) : DataLane(base::DomId(1), base::EvtchnPort{64}), guest_(&guest) {}

    void set_in_place(bool in_place) { in_place_ = in_place; }
    /// Pages that were mapped and not let go.
    unsigned mapped() const { return mapped_; }

    int doorbell() const override { return -1; }
    bool take_ring() override { return false; }
    hypervisor::Result<void> notify(base::EvtchnPort) override {
        guest_->meanwhile();
        return {};
    }
    hypervisor::Result<base::Mapping> map_grant(base::GrantRef ref, base::Access access) override {
        guest_->meanwhile();
        auto* page = guest_->granted(ref.value, access);
        if (page == nullptr) {
            return base::fail(base::Code::permission_denied, "not granted");
        }
        ++mapped_;
        return base::Mapping::take(page, base::page_size, [this](std::byte*, std::size_t) { --mapped_; });
    }
    void copy(std::span<hypervisor::GrantCopy> pieces, hypervisor::CopyDirection direction) override {
        const bool out = direction == hypervisor::CopyDirection::to_guest;
        for (auto& piece : pieces) {
            guest_->meanwhile();
            require(std::size_t{piece.offset} + piece.size <= base::page_size);
            auto* page = guest_->granted(piece.ref.value, out ? base::Access::read_write : base::Access::read_only);
            piece.done = page != nullptr;
            if (piece.done) {
                auto* at = page + piece.offset;
                std::memcpy(out ? at : piece.local, out ? piece.local : at, piece.size);
            }
        }
    }
    bool in_place() const override { return in_place_; }
    std::byte* granted(base::GrantRef ref, base::Access access) override {
        guest_->meanwhile();
        return in_place_ ? guest_->granted(ref.value, access) : nullptr;
    }

 private:
    Guest* guest_;
    unsigned mapped_{0};
    bool in_place_{false};
};

}  // namespace fuzz
