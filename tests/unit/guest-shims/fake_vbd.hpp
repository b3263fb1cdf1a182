// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <optional>

#include "fake_guest.hpp"
#include "noxs/wire/blkif.hpp"

namespace guest {

/// A vbd on port 64 of a guest with some heap, and its backend, scripted by the test: a disk in memory.
struct FakeVbd {
    static constexpr std::uint32_t port = 64;
    static constexpr std::size_t heap_size = 8 << 20;
    static constexpr std::uint32_t sectors = 8192;

    explicit FakeVbd(FakeGuest& owner)
        // Grants hold 32-bit frames: below 16 TiB, as guests are.
        : guest(owner),
          ram(static_cast<std::byte*>(
              ::mmap(nullptr, heap_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0))) {
        prepare();
        attach();
    }
    FakeVbd(const FakeVbd&) = delete;
    FakeVbd& operator=(const FakeVbd&) = delete;
    ~FakeVbd() { ::munmap(ram, heap_size); }

    BootInfo boot() {
        BootInfo info = guest.boot();
        memory_map = {reinterpret_cast<std::uintptr_t>(ram), heap_size, base::memmap_ram, 0};
        info.memory_map = {&memory_map, 1};
        return info;
    }
    std::uint64_t begin() const { return reinterpret_cast<std::uintptr_t>(ram); }

    void prepare() {
        control.page = {};
        auto& header = control.page.header;
        header.version = noxs::wire::version;
        header.type = noxs::wire::DeviceType::vbd;
        header.backend_state = noxs::wire::State::init_wait;
        header.backend_features = static_cast<std::uint64_t>(noxs::wire::VbdFeature::indirect);
        control.page.sectors = sectors;
        control.page.sector_size = 512;
        control.page.max_indirect_segments = 256;
    }
    void attach() {
        auto& entry = guest.devices.entries[slot];
        entry.type = noxs::wire::DeviceType::vbd;
        entry.port = port;
        entry.control_gfn = reinterpret_cast<std::uintptr_t>(&control.page) / base::page_size;
        guest.devices.count = slot + 1;
        guest.devices.generation += 2;
        taken = 0;
    }
    void detach() {
        guest.devices.entries[slot] = {};
        guest.devices.generation += 2;
    }

    std::byte* page(std::uint32_t ref) const {
        const auto& grants = guest.platform.grants;
        if (ref >= grants.size() || (grants[ref].flags & base::grant_permit_access) == 0) {
            return nullptr;
        }
        return reinterpret_cast<std::byte*>(std::uintptr_t{grants[ref].frame} * base::page_size);
    }
    noxs::wire::BlockRing& ring() const {
        return *reinterpret_cast<noxs::wire::BlockRing*>(page(control.page.ring_ref[0]));
    }
    void state(noxs::wire::State state) { control.page.header.backend_state = state; }
    noxs::wire::State frontend() const { return control.page.header.frontend_state; }

    std::uint32_t waiting() const { return ring().header.req_prod - taken; }
    /// The next request, as it stands on the ring.
    noxs::wire::BlockEntry next() { return ring().entries[taken++ % noxs::wire::block_ring_entries]; }
    void answer(std::uint64_t id, std::int16_t status = noxs::wire::block_okay) {
        auto& header = ring().header;
        ring().entries[header.rsp_prod % noxs::wire::block_ring_entries].response = {
            id, noxs::wire::BlockOp::read, 0, status, noxs::wire::block_answered};
        ++header.rsp_prod;
    }
    /// Does a read or write as the real one would; returns the segments that it had.
    std::uint32_t serve() {
        const auto entry = next();
        const bool indirect = entry.request.op == noxs::wire::BlockOp::indirect;
        const auto op = indirect ? entry.indirect.indirect_op : entry.request.op;
        const std::uint32_t count = indirect ? entry.indirect.segment_count : entry.request.segment_count;
        const auto* segments = indirect
                                   ? reinterpret_cast<const noxs::wire::BlockSegment*>(page(entry.indirect.refs[0]))
                                   : entry.request.segments;
        std::byte* at = disk + entry.request.sector * 512;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto size = (segments[i].last_sector - segments[i].first_sector + 1U) * 512;
            std::byte* data = page(segments[i].ref) + segments[i].first_sector * 512;
            std::memcpy(op == noxs::wire::BlockOp::read ? data : at, op == noxs::wire::BlockOp::read ? at : data, size);
            at += size;
        }
        answer(entry.request.id);
        return count;
    }

    FakeGuest& guest;
    std::byte* ram;
    FakeGuest::ControlPage<noxs::wire::VbdControl> control;
    base::HvmMemmapEntry memory_map{};
    std::uint32_t taken{0};
    std::byte disk[sectors * 512]{};

 private:
    static constexpr std::uint32_t slot = 4;
};

}  // namespace guest
