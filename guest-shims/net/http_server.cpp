// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/http_server.hpp"

namespace guest {

void HttpPeer::on_data(pbuf* data) {
    if (waiting_ == nullptr) {
        waiting_ = data;
    } else {
        pbuf_cat(waiting_, data);
    }
    on_room();
}

void HttpPeer::on_end() {
    ended_ = true;
    on_room();
}

void HttpPeer::on_lost() {
    if (waiting_ != nullptr) {
        pbuf_free(waiting_);
        waiting_ = nullptr;
    }
}

void HttpPeer::on_room() {
    while (!leaving() && send_answer()) {
        if (last_) {
            consumed(waiting_ != nullptr ? waiting_->tot_len : 0);  // unread data would make the end a reset
            leave();
        } else if (!next_request()) {
            if (ended_) {
                leave();
            }
            return;
        }
    }
}

/// Returns whether all of it is queued. Hot.
bool HttpPeer::send_answer() {
    for (; part_ < std::size(parts_); ++part_, done_ = 0) {
        const auto& part = parts_[part_];
        while (done_ < part.size) {
            const std::string_view piece = part.piece.substr(done_ % part.piece.size(), part.size - done_);
            const std::size_t sent = send(piece, Body::stays);
            done_ += sent;
            if (sent < piece.size()) {
                return false;
            }
        }
    }
    return true;
}

void HttpPeer::fill_input() {
    while (waiting_ != nullptr && used_ < longest_head) {
        const std::size_t room = longest_head - used_;
        const std::size_t size = waiting_->len < room ? waiting_->len : room;
        __builtin_memcpy(input_ + used_, waiting_->payload, size);
        used_ += size;
        consumed(size);
        waiting_ = pbuf_free_header(waiting_, static_cast<std::uint16_t>(size));
    }
}

/// Returns whether there was one, and its answer begins.
bool HttpPeer::next_request() {
    fill_input();
    const auto size = http_head_size({input_, used_});
    if (!size) {
        if (used_ < longest_head) {
            return false;
        }
        HttpRequest request;
        request.status = HttpStatus::headers_too_large;
        begin_answer(request);
        return true;
    }
    begin_answer(parse_http({input_, *size}));
    used_ -= *size;
    __builtin_memmove(input_, input_ + *size, used_);
    return true;
}

void HttpPeer::begin_answer(const HttpRequest& request) {
    const HttpAnswer& answer =
        request.status == HttpStatus::ok ? site_.find(request.path) : site_.answer_of(request.status);
    const std::string_view end = !request.keep_alive ? "Connection: close\r\n\r\n"
                                 : request.http_1_0  ? "Connection: keep-alive\r\n\r\n"
                                                     : "\r\n";
    last_ = !request.keep_alive;
    parts_[0] = {answer.head, answer.head.size()};
    parts_[1] = {end, end.size()};
    parts_[2] = {answer.piece, request.head ? 0 : answer.size};
    part_ = 0;
    done_ = 0;
}

}  // namespace guest
