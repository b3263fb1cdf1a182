// SPDX-License-Identifier: Apache-2.0
#include "chaos/rpc/line_buffer.hpp"

namespace chaos::rpc {

void LineBuffer::append(std::string_view bytes) {
    if (start_ == buffer_.size()) {
        buffer_.clear();
    } else if (start_ > 0) {
        buffer_.erase(0, start_);
    }
    scanned_ -= start_;
    start_ = 0;
    buffer_ += bytes;
}

std::optional<std::string_view> LineBuffer::next() {
    if (too_long_) {
        return std::nullopt;
    }
    const std::size_t end = buffer_.find('\n', scanned_);
    const std::size_t length = (end == std::string::npos ? buffer_.size() : end) - start_;
    if (length > limit_) {
        too_long_ = true;
        return std::nullopt;
    }
    if (end == std::string::npos) {
        scanned_ = buffer_.size();
        return std::nullopt;
    }
    std::string_view line(buffer_.data() + start_, length);
    start_ = end + 1;
    scanned_ = start_;
    line.remove_suffix(line.ends_with('\r') ? 1 : 0);
    return line;
}

}  // namespace chaos::rpc
