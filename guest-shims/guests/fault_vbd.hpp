// SPDX-License-Identifier: Apache-2.0
// What fault.cpp does as the frontend of a vbd.
#pragma once

#include "guest-shims/guests/fault_rings.hpp"
#include "noxs/wire/blkif.hpp"

namespace guest {

class RawVbd : public RawDevice<noxs::wire::VbdControl> {
 public:
    explicit RawVbd(System& system) : RawDevice(system, noxs::wire::DeviceType::vbd) {
        data_ref_ = grant(&data());
        store_relaxed(control().ring_order, 0U);
        store_relaxed(control().ring_ref[0], grant(&ring().page()));
    }

    static RawRing<noxs::wire::BlockRing>& ring() {
        static constinit RawRing<noxs::wire::BlockRing> ring;
        return ring;
    }
    static RawPage& data() {
        static constinit RawPage page;
        return page;
    }
    std::uint32_t data_ref() const { return data_ref_; }

    /// Whether it was answered by an error.
    template <class Request>
    bool fails(const Request& request) {
        ring().put(request);
        ring().publish();
        notify();
        return await<noxs::wire::BlockResponse>(ring()).status != noxs::wire::block_okay;
    }
    /// One page of `op` at `sector`, from `data`.
    noxs::wire::BlockRequest page_request(noxs::wire::BlockOp op, std::uint64_t sector) const {
        noxs::wire::BlockRequest request{};
        request.op = op;
        request.segment_count = 1;
        request.sector = sector;
        request.segments[0] = {data_ref_, 0, 7, 0};
        return request;
    }

 private:
    std::uint32_t data_ref_{0};
};

inline void vbd_ring_ref(System& system) {
    RawVbd vbd(system);
    store_relaxed(vbd.control().ring_ref[0], 0xffffffffU);
    vbd.connect();
    vbd.await_end();
}

inline void vbd_ring_order(System& system) {
    RawVbd vbd(system);
    store_relaxed(vbd.control().ring_order, 0x80000004U);
    vbd.connect();
    vbd.await_end();
}

inline void vbd_index(System& system) {
    RawVbd vbd(system);
    vbd.connect();
    vbd.ring().publish(0x7fffffff);
    vbd.notify();
    vbd.await_end();
}

inline void vbd_bells(System& system) {
    RawVbd vbd(system);
    vbd.connect();
    vbd.ring_without_end();
}

inline void vbd_noise(System& system) {
    RawVbd vbd(system);
    vbd.connect();
    make_noise(vbd, {&vbd.control(), &vbd.ring().ring()});
}

inline unsigned bad_segments(RawVbd& vbd) {
    using namespace noxs::wire;
    unsigned failed = 0;
    for (const int count : {0, 12, 255}) {
        auto request = vbd.page_request(BlockOp::read, 0);
        request.segment_count = static_cast<std::uint8_t>(count);
        failed += vbd.fails(request);
    }
    for (const BlockSegment segment :
         {BlockSegment{vbd.data_ref(), 5, 4, 0}, BlockSegment{vbd.data_ref(), 0, 8, 0},
          BlockSegment{vbd.data_ref(), 255, 255, 0}, BlockSegment{0, 0, 7, 0},
          BlockSegment{vbd.data_ref() + 100, 0, 7, 0}, BlockSegment{0xffffffff, 0, 7, 0}}) {
        auto request = vbd.page_request(BlockOp::write, 0);
        request.segments[0] = segment;
        failed += vbd.fails(request);
    }
    return failed;
}

inline unsigned bad_places(RawVbd& vbd) {
    using namespace noxs::wire;
    const std::uint64_t end = vbd.control().sectors;
    unsigned failed = 0;
    for (const std::uint64_t sector :
         {end, end - 7, ~std::uint64_t{0}, ~std::uint64_t{0} - 7, ~std::uint64_t{0} / 512}) {
        failed += vbd.fails(vbd.page_request(BlockOp::read, sector));
    }
    failed += vbd.fails(BlockDiscard{BlockOp::discard, 0, 0, 0, 1, 8, end});
    failed += vbd.fails(BlockDiscard{BlockOp::discard, 0, 0, 0, 2, 8, ~std::uint64_t{0}});
    return failed;
}

inline unsigned bad_kinds(RawVbd& vbd) {
    using namespace noxs::wire;
    unsigned failed = 0;
    for (const int op : {2, 4, 77, 255}) {
        failed += vbd.fails(vbd.page_request(static_cast<BlockOp>(op), 0));
    }
    // The page of segments is full of zeros: what it names is not granted.
    for (const int count : {0, 1, 257, 0xffff}) {
        const auto segments = static_cast<std::uint16_t>(count);
        failed +=
            vbd.fails(BlockIndirect{BlockOp::indirect, BlockOp::read, segments, 0, 1, 0, 0, 0, {vbd.data_ref()}, 0});
    }
    failed += vbd.fails(BlockIndirect{BlockOp::indirect, BlockOp::indirect, 1, 0, 1, 0, 0, 0, {vbd.data_ref()}, 0});
    failed += vbd.fails(BlockIndirect{BlockOp::indirect, BlockOp::read, 1, 0, 1, 0, 0, 0, {0xffffffff}, 0});
    return failed;
}

/// Requests that are wrong by themselves, one after the other: each is answered by an error, and no more. A good one
/// before and after them.
inline void vbd_bad_requests(System& system) {
    using noxs::wire::BlockOp;
    RawVbd vbd(system);
    vbd.connect();
    const bool first = vbd.fails(vbd.page_request(BlockOp::write, 0));
    const unsigned failed = bad_segments(vbd) + bad_places(vbd) + bad_kinds(vbd);
    const bool last = vbd.fails(vbd.page_request(BlockOp::read, 0));
    vbd.console().print("{} errors of 26, good ones fail: {}\n", failed, unsigned{first} + unsigned{last});
    vbd.await_close();
}

/// Writes and discards, as if the disk were not for reading only.
inline void vbd_write_read_only(System& system) {
    using namespace noxs::wire;
    RawVbd vbd(system);
    vbd.connect();
    const unsigned failed =
        vbd.fails(vbd.page_request(BlockOp::write, 0)) + vbd.fails(BlockDiscard{BlockOp::discard, 0, 0, 0, 1, 0, 8});
    vbd.console().print("{} errors of 2, reading fails: {}\n", failed,
                        unsigned{vbd.fails(vbd.page_request(BlockOp::read, 0))});
    idle(system);
}

/// Reads into a page that is granted for reading only.
inline void vbd_read_only_page(System& system) {
    using noxs::wire::BlockOp;
    RawVbd vbd(system);
    vbd.connect();
    auto request = vbd.page_request(BlockOp::read, 0);
    request.segments[0].ref = vbd.grant(&vbd.data(), GrantAccess::read_only);
    vbd.console().print("reading fails: {}\n", unsigned{vbd.fails(request)});
    idle(system);
}

}  // namespace guest
