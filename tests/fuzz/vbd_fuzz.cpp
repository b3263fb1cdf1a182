// SPDX-License-Identifier: Apache-2.0
// The input is what a hostile guest does with its disk: a list of steps, each of which puts bytes somewhere into its
// control page, ring, grant table or pages, or a whole request onto the ring, and lets the backend look. The backend must
// stay within its bounds and the disk must keep its size whatever it is.
//
// One step: u8 what (low 3 bits: target, bit 6: grants in place or not, bit 7: a new daemon takes over first), u16 offset,
// u8 length, bytes.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "base/log.hpp"
#include "noxs/backends/vbd.hpp"
#include "noxs/wire/blkif.hpp"
#include "tests/support/fake_domain.hpp"

namespace {

namespace wire = noxs::wire;
using test_support::FakeDomain;

constexpr std::uint64_t disk_sectors = 512;
constexpr std::uint64_t disk_size = disk_sectors * wire::block_sector;
constexpr std::uint64_t control_gfn = FakeDomain::control_gfn;
constexpr std::uint64_t ring_gfn = FakeDomain::ram_gfn;
constexpr std::uint64_t data_gfn = ring_gfn + 1;
constexpr std::uint32_t first_ref = 8;
constexpr std::uint32_t granted_pages = 16;  // the ring, and data

/// Ends the run, as a sanitizer would, when a backend breaks its promise.
void require(bool held) {
    if (!held) {
        std::abort();
    }
}

/// What all runs share: io_uring and the disk.
struct Machine {
    std::unique_ptr<noxs::BlockIo> io;
    base::Fd disk{::memfd_create("disk", MFD_CLOEXEC)};

    Machine() {
        require(::ftruncate(disk.get(), disk_size) == 0);
        auto opened = noxs::BlockIo::open();
        require(opened.has_value());
        io = std::move(*opened);
    }
};

class Host final : public noxs::DeviceHost {
 public:
    void wake(noxs::DataDevice&) override {}
    void on_stopped(noxs::DataDevice& device) override { require(!device.stopped().empty()); }
    void on_closed(noxs::DataDevice&) override {}
};

class Guest {
 public:
    explicit Guest(Machine& machine) : machine_(machine), lane_(*domain_.open_data_lane({})) {
        for (std::uint32_t page = 0; page < granted_pages; ++page) {
            domain_.grant_page(first_ref + page, ring_gfn + page);
        }
        make(noxs::Origin::fresh);
        auto& control = domain_.page<wire::VbdControl>(control_gfn);
        control.ring_ref[0] = first_ref;
        control.header.frontend_state = wire::State::connected;
        look();
    }
    ~Guest() { drop(); }

    /// Does one step; returns how much of `input` it was.
    std::size_t step(std::span<const std::uint8_t> input) {
        domain_.lane().set_in_place((input[0] & 0x40) != 0);
        if ((input[0] & 0x80) != 0) {
            drop();
            make(noxs::Origin::adopted);
        }
        const auto bytes = input.subspan(4, std::min<std::size_t>(input[3], input.size() - 4));
        apply(input[0] & 7U, input[1] | static_cast<std::size_t>(input[2]) << 8, bytes);
        look();
        return 4 + bytes.size();
    }

 private:
    void make(noxs::Origin origin) {
        wire::DeviceEntry entry{};
        entry.type = wire::DeviceType::vbd;
        entry.port = test_support::FakeLaneEnd::port;
        noxs::VbdSettings settings;
        settings.disk.reset(::fcntl(machine_.disk.get(), F_DUPFD_CLOEXEC, 0));
        settings.path = "disk";
        settings.sectors = disk_sectors;
        settings.flags = static_cast<std::uint32_t>(wire::VbdFlag::discard);
        auto page = *domain_.map_pages(base::Gfn(control_gfn), 1);
        if (origin == noxs::Origin::fresh) {
            noxs::describe(page.data(), entry, settings);
        }
        device_ = noxs::make_vbd({host_, *lane_, entry, std::move(page), origin}, std::move(settings), *machine_.io);
        device_->begin();
    }
    void drop() {
        device_->retire();
        while (!device_->quiet()) {
            machine_.io->submit();
            machine_.io->reap();
        }
        device_.reset();
    }
    void apply(unsigned target, std::size_t offset, std::span<const std::uint8_t> bytes) {
        if (target == 7) {
            device_->begin_close();
            return;
        }
        if (target >= 4) {
            put_request(bytes);
            return;
        }
        constexpr std::uint64_t gfns[] = {control_gfn, ring_gfn, FakeDomain::grant_table_gfn, data_gfn};
        const std::span page(&domain_.page<std::uint8_t>(gfns[target]), base::page_size);
        offset %= page.size();
        std::copy_n(bytes.begin(), std::min(bytes.size(), page.size() - offset), page.begin() + offset);
    }
    /// As a guest would that knows how.
    void put_request(std::span<const std::uint8_t> bytes) {
        auto& ring = domain_.page<wire::BlockRing>(ring_gfn);
        auto& entry = ring.entries[ring.header.req_prod % wire::block_ring_entries];
        std::memcpy(&entry, bytes.data(), std::min(bytes.size(), sizeof entry));
        ++ring.header.req_prod;
    }
    void look() {
        unsigned turns = 0;
        while (device_->run({}).next == noxs::Turn::Next::more) {
            require(++turns <= wire::block_ring_entries);
        }
        machine_.io->submit();
        machine_.io->reap();
        static_cast<void>(device_->arm());
        for (const auto& [name, value] : device_->status().counters) {
            require(name != "in_flight" || value <= wire::block_ring_entries);
        }
    }

    Machine& machine_;
    Host host_;
    FakeDomain domain_;
    std::unique_ptr<hypervisor::DataLane> lane_;
    std::unique_ptr<noxs::DataDevice> device_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // What is stopped and what fails is told on purpose, ten thousand times a second here.
    base::set_log_level(base::Level::error);
    static Machine machine;
    {
        Guest guest(machine);
        std::span<const std::uint8_t> input(data, std::min<std::size_t>(size, 4096));
        while (input.size() >= 4) {
            input = input.subspan(guest.step(input));
        }
    }
    struct stat found {};
    require(::fstat(machine.disk.get(), &found) == 0 && found.st_size == disk_size);
    return 0;
}
