// SPDX-License-Identifier: Apache-2.0
// The frontend's end of a Xen ring (public/io/ring.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "guest-shims/runtime/shared.hpp"

namespace guest {

/// Keeps its indices to itself and checks the backend's at each use. `Ring` is wire::TxRing, RxRing or BlockRing, in a
/// page that is the frontend's own and granted.
template <class Ring>
class FrontRing {
 public:
    using Entry = std::remove_extent_t<decltype(Ring::entries)>;
    static constexpr std::uint32_t entries = std::extent_v<decltype(Ring::entries)>;

    /// Begins with an empty ring. The backend does not look at it yet, or no more. Its responses ring nobody until
    /// `want_ring`.
    void start(Ring& ring) {
        ring_ = &ring;
        req_prod_ = published_ = rsp_cons_ = 0;
        __builtin_memset(&ring.header, 0, sizeof ring.header);
        ring.header.req_event = 1;
    }

    std::uint32_t unanswered() const { return req_prod_ - rsp_cons_; }
    std::uint32_t room() const { return entries - unanswered(); }

    /// Writes the next request. There is room.
    template <class Request>
    void put(const Request& request) {
        __builtin_memcpy(&ring_->entries[req_prod_ % entries], &request, sizeof request);
        ++req_prod_;
    }
    /// Publishes the requests. Returns whether the backend asked to be rung for one of them.
    bool publish() {
        const std::uint32_t old = published_;
        if (old == req_prod_) {
            return false;
        }
        published_ = req_prod_;
        store_release(ring_->header.req_prod, req_prod_);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        return req_prod_ - load_acquire(ring_->header.req_event) < req_prod_ - old;
    }

    /// Responses that were not taken yet; nothing when the backend's index is impossible.
    std::optional<std::uint32_t> answered() const {
        const std::uint32_t waiting = load_acquire(ring_->header.rsp_prod) - rsp_cons_;
        return waiting <= published_ - rsp_cons_ ? std::optional(waiting) : std::nullopt;
    }
    /// A copy of the next response, which is there; the backend can't change it any more.
    template <class Response>
    Response take() {
        Response copy;
        __builtin_memcpy(&copy, &ring_->entries[rsp_cons_ % entries], sizeof copy);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        ++rsp_cons_;
        return copy;
    }
    /// Asks to be rung for the `ahead`th response from now on; look at `answered` again after it. Until then an index
    /// that was passed stands there, and the backend does not ring.
    void want_ring(std::uint32_t ahead = 1) {
        store_release(ring_->header.rsp_event, rsp_cons_ + ahead);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }

 private:
    Ring* ring_{nullptr};
    std::uint32_t req_prod_{0};
    std::uint32_t published_{0};
    std::uint32_t rsp_cons_{0};
};

}  // namespace guest
