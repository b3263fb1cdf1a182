// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace chaos::rpc {

/// Cuts a byte stream into lines. Holds at most one line that is not complete, of at most `limit` bytes.
class LineBuffer {
 public:
    explicit LineBuffer(std::size_t limit) : limit_(limit) {}

    void append(std::string_view bytes);

    /// The next complete line without its end ("\n" or "\r\n"); valid until the next call of append.
    std::optional<std::string_view> next();

    /// True when the line at hand is longer than the limit: the stream can't be read on.
    bool too_long() const { return too_long_; }

    /// Bytes that are no complete line yet, after next() returned nothing.
    std::size_t pending() const { return buffer_.size() - start_; }

 private:
    std::size_t limit_;
    std::string buffer_;
    std::size_t start_{0};    // of the line at hand
    std::size_t scanned_{0};  // no line end before this
    bool too_long_{false};
};

}  // namespace chaos::rpc
