// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <vector>

#include "hypervisor/data_lane.hpp"
#include "noxs/block/block_request.hpp"
#include "noxs/block/bounce_pool.hpp"

namespace noxs {

/// The memory that a read or write moves: the guest's own pages where they lie in this process, else a buffer and copies
/// by grants.
class BlockData {
 public:
    /// Fills `pieces` with what the kernel is to read into or write from; that of a write is there. False: the guest
    /// has not granted a page, or the host is out of memory. Hot.
    bool open(const BlockWork& work, hypervisor::DataLane& lane, BouncePool& pool, std::vector<iovec>& pieces);
    /// After a read: brings the data to the guest. False: the guest has not granted a page. Hot.
    bool deliver(const BlockWork& work, hypervisor::DataLane& lane);
    /// Gives the buffer back. No harm without one.
    void close(BouncePool& pool);

 private:
    bool copy(const BlockWork& work, hypervisor::DataLane& lane, hypervisor::CopyDirection direction);

    BouncePool::Buffer buffer_;
};

}  // namespace noxs
