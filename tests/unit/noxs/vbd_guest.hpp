// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "noxs/backends/vbd.hpp"
#include "noxs/disk.hpp"
#include "noxs/wire/blkif.hpp"
#include "tests/support/fake_domain.hpp"
#include "tests/support/temp_dir.hpp"

namespace test_support {

namespace wire = noxs::wire;

/// A plane of one device.
class FakeHost final : public noxs::DeviceHost {
 public:
    void wake(noxs::DataDevice&) override { ++woken; }
    void on_stopped(noxs::DataDevice& device) override { stopped = device.stopped(); }
    void on_closed(noxs::DataDevice&) override { ++closed; }

    unsigned woken{0};
    unsigned closed{0};
    std::string stopped;
};

/// A domain with a disk of 1 MiB (unless told otherwise), and a frontend that says what it is told to say.
class VbdGuest {
 public:
    static constexpr std::uint32_t ring_ref = 8;
    static constexpr std::uint32_t first_ref = 16;  ///< of the data pages
    static constexpr std::uint64_t control_gfn = FakeDomain::control_gfn;
    static constexpr std::uint64_t ring_gfn = FakeDomain::ram_gfn;
    static constexpr std::uint64_t data_gfn = ring_gfn + 1;
    static constexpr std::uint32_t data_pages = 512;  ///< the last one holds lists of segments

    explicit VbdGuest(std::uint64_t size = 1 << 20, std::unique_ptr<noxs::BlockIo> io = *noxs::BlockIo::open())
        : path_(dir_.file("disk")), io_(std::move(io)) {
        std::ofstream(path_, std::ios::binary).put('\0');
        std::filesystem::resize_file(path_, size);
        lane_ = *domain.open_data_lane({});
        domain.grant_page(ring_ref, ring_gfn);
        for (std::uint32_t page = 0; page < data_pages; ++page) {
            domain.grant_page(first_ref + page, data_gfn + page);
        }
    }
    ~VbdGuest() { drop(); }

    // ---- the device

    void make(noxs::Origin origin = noxs::Origin::fresh, noxs::DiskAccess access = noxs::DiskAccess::read_write) {
        settings_ = *noxs::open_disk(path_, access);
        make_from(std::move(settings_), origin);
    }
    void make_from(noxs::VbdSettings settings, noxs::Origin origin = noxs::Origin::fresh) {
        wire::DeviceEntry entry{};
        entry.type = wire::DeviceType::vbd;
        entry.id = 3;
        entry.port = FakeLaneEnd::port;
        auto page = *domain.map_pages(base::Gfn(control_gfn), 1);
        if (origin == noxs::Origin::fresh) {
            noxs::describe(page.data(), entry, settings);
        }
        device_ = noxs::make_vbd({host, *lane_, entry, std::move(page), origin}, std::move(settings), *io_);
        device_->begin();
    }
    noxs::DataDevice& device() { return *device_; }

    /// What the plane does on a ring: runs the device as long as it wants.
    void run() {
        const auto now = noxs::Clock::now();
        while (device_->run(now).next == noxs::Turn::Next::more) {
        }
        io_->submit();
    }
    /// Runs the plane until the device has nothing in flight. False: not within 20 s.
    bool settle() {
        const auto deadline = noxs::Clock::now() + std::chrono::seconds(20);
        run();
        while (!device_->quiet()) {
            reap();
            run();
            if (noxs::Clock::now() > deadline) {
                return false;
            }
        }
        return true;
    }
    /// Waits for completions and takes them, without running the device.
    void reap() {
        io_->submit();
        pollfd waiting{io_->fd(), POLLIN, 0};
        ::poll(&waiting, 1, 1000);
        io_->reap();
        io_->submit();
    }
    /// The daemon is gone, its requests with it.
    void drop() {
        if (!device_) {
            return;
        }
        device_->retire();
        while (!device_->quiet()) {
            reap();
        }
        device_.reset();
    }
    std::uint64_t counter(const std::string& name) {
        for (const auto& [key, value] : device_->status().counters) {
            if (key == name) {
                return value;
            }
        }
        return ~0ULL;
    }

    // ---- the frontend

    wire::VbdControl& control() { return domain.page<wire::VbdControl>(control_gfn); }
    wire::VbdNotes& notes() {
        auto* page = &domain.page<std::byte>(control_gfn);
        return *reinterpret_cast<wire::VbdNotes*>(page + wire::vbd_notes_offset);
    }
    wire::BlockRing& ring() { return domain.page<wire::BlockRing>(ring_gfn); }
    std::byte* data(std::uint32_t page) { return &domain.page<std::byte>(data_gfn + page); }

    void connect() {
        control().ring_ref[0] = ring_ref;
        control().ring_order = 0;
        ring().header.rsp_event = 1;
        control().header.frontend_state = wire::State::connected;
        run();
    }
    void say(wire::State state) {
        control().header.frontend_state = state;
        run();
    }

    static wire::BlockSegment segment(std::uint32_t page, unsigned first = 0, unsigned last = 7) {
        return {first_ref + page, static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last), 0};
    }
    /// Puts a request on the ring without telling anybody. Returns its number.
    std::uint32_t put(const wire::BlockEntry& entry) {
        ring().entries[produced_ % wire::block_ring_entries] = entry;
        return produced_++;
    }
    std::uint32_t put(wire::BlockOp op, std::uint64_t sector, const std::vector<wire::BlockSegment>& segments) {
        wire::BlockEntry entry{};
        entry.request.op = op;
        entry.request.segment_count = static_cast<std::uint8_t>(segments.size());
        entry.request.id = id_of(produced_);
        entry.request.sector = sector;
        std::copy_n(segments.begin(), std::min<std::size_t>(segments.size(), wire::direct_segments),
                    entry.request.segments);
        return put(entry);
    }
    std::uint32_t put_indirect(wire::BlockOp op, std::uint64_t sector, const std::vector<wire::BlockSegment>& segments,
                               std::uint32_t list_page = data_pages - 1) {
        std::copy_n(segments.begin(), std::min<std::size_t>(segments.size(), wire::segments_per_page),
                    reinterpret_cast<wire::BlockSegment*>(data(list_page)));
        wire::BlockEntry entry{};
        entry.indirect.op = wire::BlockOp::indirect;
        entry.indirect.indirect_op = op;
        entry.indirect.segment_count = static_cast<std::uint16_t>(segments.size());
        entry.indirect.id = id_of(produced_);
        entry.indirect.sector = sector;
        entry.indirect.refs[0] = first_ref + list_page;
        return put(entry);
    }
    std::uint32_t put_discard(std::uint64_t sector, std::uint64_t sectors, std::uint8_t flag = 0) {
        wire::BlockEntry entry{};
        entry.discard.op = wire::BlockOp::discard;
        entry.discard.flag = flag;
        entry.discard.id = id_of(produced_);
        entry.discard.sector = sector;
        entry.discard.sectors = sectors;
        return put(entry);
    }
    void publish() { ring().header.req_prod = produced_; }
    std::uint32_t answered() { return ring().header.rsp_prod; }
    wire::BlockResponse response(std::uint32_t number) {
        return ring().entries[number % wire::block_ring_entries].response;
    }
    static std::uint64_t id_of(std::uint32_t number) { return 1000 + number; }

    /// Puts, publishes, settles; the status of the response, or nothing when there is none.
    template <class... Args>
    std::optional<int> ask(Args&&... args) {
        return finish(put(std::forward<Args>(args)...));
    }
    std::optional<int> finish(std::uint32_t number) {
        publish();
        if (!settle() || answered() != number + 1 || response(number).id != id_of(number)) {
            return std::nullopt;
        }
        return response(number).status;
    }

    // ---- the disk

    const std::string& path() const { return path_; }
    std::string read_disk(std::uint64_t offset, std::size_t size) {
        std::string bytes(size, '\0');
        std::ifstream in(path_, std::ios::binary);
        in.seekg(static_cast<std::streamoff>(offset));
        in.read(bytes.data(), static_cast<std::streamsize>(size));
        bytes.resize(static_cast<std::size_t>(in.gcount()));
        return bytes;
    }
    void write_disk(std::uint64_t offset, const std::string& bytes) {
        std::fstream out(path_, std::ios::binary | std::ios::in | std::ios::out);
        out.seekp(static_cast<std::streamoff>(offset));
        out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    void fill(std::uint32_t page, char with) { std::memset(data(page), with, base::page_size); }
    std::string text(std::uint32_t page, std::size_t offset, std::size_t size) {
        return {reinterpret_cast<const char*>(data(page)) + offset, size};
    }

    FakeDomain domain;
    FakeHost host;

 private:
    TempDir dir_;
    std::string path_;
    std::unique_ptr<hypervisor::DataLane> lane_;
    std::unique_ptr<noxs::BlockIo> io_;
    noxs::VbdSettings settings_;
    std::unique_ptr<noxs::DataDevice> device_;
    std::uint32_t produced_{0};
};

}  // namespace test_support
