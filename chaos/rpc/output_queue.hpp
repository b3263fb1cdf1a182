// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace chaos::rpc {

enum class Kind : std::uint8_t {
    reply,         ///< the client asked for it: it is kept, and the client's next requests wait
    notification,  ///< it comes by itself: too much of it unread, and the client is let go
};

/// What a client has not read yet, and what follows from how much that is.
class OutputQueue {
 public:
    OutputQueue(std::size_t reply_bound, std::size_t notification_bound)
        : reply_bound_(reply_bound), notification_bound_(notification_bound) {}

    void push(std::string_view line, Kind kind);

    bool empty() const { return start_ == buffer_.size(); }
    std::string_view front() const { return std::string_view(buffer_).substr(start_); }
    /// `bytes` of front() were written.
    void consume(std::size_t bytes);

    /// Replies pile up: read no more requests until this is false again.
    bool congested() const { return reply_bytes_ > reply_bound_; }
    /// Notifications pile up: close the connection.
    bool overflowed() const { return notification_bytes_ > notification_bound_; }

 private:
    struct Segment {
        std::size_t bytes;
        Kind kind;
    };
    std::size_t& count_of(Kind kind) { return kind == Kind::reply ? reply_bytes_ : notification_bytes_; }

    std::size_t reply_bound_;
    std::size_t notification_bound_;
    std::string buffer_;
    std::size_t start_{0};
    std::deque<Segment> segments_;
    std::size_t reply_bytes_{0};
    std::size_t notification_bytes_{0};
};

}  // namespace chaos::rpc
