// SPDX-License-Identifier: Apache-2.0
#include "chaos/rpc/output_queue.hpp"

#include <algorithm>

namespace chaos::rpc {

void OutputQueue::push(std::string_view line, Kind kind) {
    count_of(kind) += line.size();
    buffer_ += line;
    if (!segments_.empty() && segments_.back().kind == kind) {
        segments_.back().bytes += line.size();
    } else {
        segments_.push_back({line.size(), kind});
    }
}

void OutputQueue::consume(std::size_t bytes) {
    start_ += bytes;
    while (bytes > 0) {
        Segment& first = segments_.front();
        const std::size_t part = std::min(bytes, first.bytes);
        count_of(first.kind) -= part;
        first.bytes -= part;
        bytes -= part;
        if (first.bytes == 0) {
            segments_.pop_front();
        }
    }
    if (empty()) {
        std::string().swap(buffer_);
        start_ = 0;
    } else if (start_ > buffer_.size() / 2) {
        buffer_.erase(0, start_);
        start_ = 0;
    }
}

}  // namespace chaos::rpc
