// SPDX-License-Identifier: Apache-2.0
// The input is what a hostile guest does with its disk, and what the disk does meanwhile: a list of steps, each of which
// puts bytes somewhere into its control page, ring, grant table or pages, or a whole request onto the ring, and lets the
// backend look. The backend must stay within its bounds and the disk within its size whatever it is.
//
// One step: u8 what (low 3 bits: target; of the first step, bit 3: a disk that is read-only, bit 4: one of large sectors;
// bit 5: the bytes are put there while the backend works, after as many of its doings as the upper 4 bits of `offset` say;
// bit 6: grants in place or not; bit 7: a new daemon takes over first), u16 offset, u8 length, bytes.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "noxs/backends/vbd.hpp"
#include "noxs/wire/blkif.hpp"
#include "tests/fuzz/fuzz_guest.hpp"

namespace {

namespace wire = noxs::wire;
using fuzz::Guest;
using fuzz::require;

constexpr std::uint64_t disk_sectors = 128;
constexpr std::uint64_t disk_size = disk_sectors * wire::block_sector;
constexpr std::uint64_t ring_gfn = 2;
constexpr std::uint32_t first_ref = 8;  // the ring, then data

/// A disk in memory that keeps requests for as long as it is told to, or fails them.
class MemoryDisk final : public noxs::BlockIo {
 public:
    explicit MemoryDisk(Guest& guest) : guest_(&guest) {
        // As other guests do: little is left, so that one ring asks for more than there is.
        for (std::size_t left = noxs::BouncePool::budget; left > 2 * noxs::BouncePool::largest;) {
            left -= others_.emplace_back(bounce().take(noxs::BouncePool::largest)).size;
        }
        for (unsigned i = 0; i < 12; ++i) {
            others_.push_back(bounce().take(1));
        }
    }

    /// Bits 0 to 2: looks at completions that find none; 3 to 5: requests that are not taken; 6, 7: how those fail that
    /// are; 8: the last one first.
    void behave(unsigned how) {
        held_ = how & 7;
        refused_ = how >> 3 & 7;
        constexpr int errors[] = {0, EIO, EOPNOTSUPP, EAGAIN};
        error_ = errors[how >> 6 & 3];
        backwards_ = (how >> 8 & 1) != 0;
    }

    int fd() const override { return -1; }
    bool start(noxs::BlockJob& job) override {
        guest_->meanwhile();
        if (refused_ > 0) {
            --refused_;
            return false;
        }
        check(job);
        job.error = 0;
        jobs_.push_back(&job);
        return true;
    }
    bool submit() override { return held_ == 0; }
    bool reap() override {
        guest_->meanwhile();
        if (held_ > 0) {
            --held_;
            return false;
        }
        auto jobs = std::exchange(jobs_, {});
        if (backwards_) {
            std::ranges::reverse(jobs);
        }
        for (auto* job : jobs) {
            job->error = error_;
            if (error_ == 0) {
                move(*job);
            }
            job->owner->on_done(*job);
        }
        return !jobs.empty();
    }
    bool busy() const { return !jobs_.empty(); }

    /// Every buffer was given back once: as much is left for one guest as in the beginning.
    void check_bounce() {
        noxs::BouncePool::Buffer taken[5];
        for (auto& buffer : taken) {
            require(bounce().has_room());
            buffer = bounce().take(1);
        }
        require(!bounce().has_room());
        for (auto& buffer : taken) {
            bounce().give_back(std::move(buffer));
        }
    }

 private:
    static void check(const noxs::BlockJob& job) {
        if (job.kind == noxs::BlockJob::Kind::flush) {
            return;
        }
        require(job.size > 0 && job.offset <= disk_size && job.size <= disk_size - job.offset);
        std::size_t bytes = 0;
        for (const auto& piece : job.pieces) {
            bytes += piece.iov_len;
        }
        require(job.kind == noxs::BlockJob::Kind::discard || bytes == job.size);
    }
    /// What the kernel would touch, under the eyes of the sanitizer.
    void move(const noxs::BlockJob& job) {
        for (const auto& piece : job.pieces) {
            if (job.kind == noxs::BlockJob::Kind::read) {
                std::memset(piece.iov_base, static_cast<int>(job.offset / wire::block_sector), piece.iov_len);
            } else if (job.kind == noxs::BlockJob::Kind::write) {
                std::memcpy(written_, piece.iov_base, std::min(piece.iov_len, sizeof written_));
            }
        }
    }

    Guest* guest_;
    std::vector<noxs::BouncePool::Buffer> others_;
    std::vector<noxs::BlockJob*> jobs_;
    unsigned held_{0};
    unsigned refused_{0};
    int error_{0};
    bool backwards_{false};
    std::byte written_[disk_size];
};

class Host final : public noxs::DeviceHost {
 public:
    void wake(noxs::DataDevice&) override {}
    void on_stopped(noxs::DataDevice& device) override { require(!device.stopped().empty()); }
    void on_closed(noxs::DataDevice&) override {}
};

class Machine {
 public:
    Machine() {
        for (std::uint32_t ref = first_ref; ref < Guest::grant_entries; ++ref) {
            const std::uint64_t page = (ref - first_ref - 1) % (Guest::pages - Guest::first_data);
            guest_.grant_page(ref, ref == first_ref ? ring_gfn : Guest::first_data + page);
        }
        noxs::describe(guest_.page(Guest::control_gfn).data(), entry(), settings_of(0));
        auto& control = guest_.page_as<wire::VbdControl>(Guest::control_gfn);
        control.ring_ref[0] = first_ref;
        control.header.frontend_state = wire::State::connected;
        guest_.keep();
    }

    void run(std::span<const std::uint8_t> input) {
        guest_.reset();
        disk_.behave(0);
        first_ = input.empty() ? 0 : input[0];
        make(noxs::Origin::fresh);
        look();
        while (input.size() >= 4) {
            input = input.subspan(step(input));
        }
        drop();
        disk_.check_bounce();
    }

 private:
    static wire::DeviceEntry entry() {
        wire::DeviceEntry made{};
        made.type = wire::DeviceType::vbd;
        made.port = 64;
        return made;
    }
    static noxs::VbdSettings settings_of(std::uint8_t first) {
        noxs::VbdSettings settings;
        settings.path = "disk";
        settings.sectors = disk_sectors;
        settings.sector_size = (first & 16) == 0 ? 512 : 4096;
        settings.flags = static_cast<std::uint32_t>(wire::VbdFlag::discard) |
                         ((first & 8) == 0 ? 0 : static_cast<std::uint32_t>(wire::VbdFlag::read_only));
        return settings;
    }
    void make(noxs::Origin origin) {
        auto page = base::Mapping::view(guest_.page(Guest::control_gfn).data(), base::page_size);
        device_ = noxs::make_vbd({host_, lane_, entry(), std::move(page), origin}, settings_of(first_), disk_);
        device_->begin();
    }
    void drop() {
        device_->retire();
        require(lane_.mapped() == 0);
        while (!device_->quiet()) {
            disk_.reap();
        }
        require(!disk_.busy());
        device_.reset();
    }

    /// Does one step; returns how much of `input` it was.
    std::size_t step(std::span<const std::uint8_t> input) {
        lane_.set_in_place((input[0] & 0x40) != 0);
        if ((input[0] & 0x80) != 0) {
            drop();
            make(noxs::Origin::adopted);
        }
        const auto bytes = input.subspan(4, std::min<std::size_t>(input[3], input.size() - 4));
        apply(input[0], input[1] | static_cast<std::size_t>(input[2]) << 8, bytes);
        look();
        return 4 + bytes.size();
    }

    void apply(std::uint8_t what, std::size_t offset, std::span<const std::uint8_t> bytes) {
        constexpr std::uint64_t gfns[] = {Guest::control_gfn, ring_gfn, Guest::grant_table_gfn, Guest::first_data};
        const unsigned target = what & 7U;
        if (target < std::size(gfns)) {
            (what & 0x20) != 0 ? guest_.strike(static_cast<unsigned>(offset >> 12), gfns[target], offset, bytes)
                               : guest_.put(gfns[target], offset, bytes);
        } else if (target < 6) {
            put_request(bytes);
        } else if (target == 6) {
            disk_.behave(static_cast<unsigned>(offset));
        } else {
            device_->begin_close();
        }
    }
    /// As a guest would that knows how.
    void put_request(std::span<const std::uint8_t> bytes) {
        auto& ring = guest_.page_as<wire::BlockRing>(ring_gfn);
        auto& entry = ring.entries[ring.header.req_prod % wire::block_ring_entries];
        std::memcpy(&entry, bytes.data(), std::min(bytes.size(), sizeof entry));
        ++ring.header.req_prod;
    }

    void look() {
        unsigned turns = 0;
        while (device_->run({}).next == noxs::Turn::Next::more) {
            require(++turns <= 2 * wire::block_ring_entries);
        }
        disk_.submit();
        disk_.reap();
        static_cast<void>(device_->arm());
        require(device_->stopped().empty() || lane_.mapped() == 0);
    }

    Guest guest_;
    MemoryDisk disk_{guest_};
    Host host_;
    fuzz::Lane lane_{guest_};
    std::unique_ptr<noxs::DataDevice> device_;
    std::uint8_t first_{0};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // What is stopped and what fails is told on purpose, ten thousand times a second here.
    base::set_log_level(base::Level::error);
    static Machine machine;
    machine.run({data, std::min<std::size_t>(size, 4096)});
    return 0;
}
