// SPDX-License-Identifier: Apache-2.0
// The backend's end of a Xen ring (public/io/ring.h).
#pragma once

#include <emmintrin.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <optional>
#include <span>

#include "base/mapping.hpp"
#include "noxs/shared.hpp"

namespace noxs {

/// Keeps its indices to itself and checks the guest's at each use. `Ring` is wire::TxRing, RxRing or BlockRing. A daemon
/// that takes over goes on behind the last response that was published: see `inherit`, and VifTx::answer.
template <class Ring>
class BackRing {
 public:
    using Entry = std::remove_extent_t<decltype(Ring::entries)>;
    static constexpr std::uint32_t entries = std::extent_v<decltype(Ring::entries)>;

    BackRing() = default;
    /// `page` holds at least a Ring.
    explicit BackRing(base::Mapping page) : page_(std::move(page)) {
        rsp_prod_ = published_ = req_cons_ = load_acquire(ring().header.rsp_prod);
    }
    explicit operator bool() const { return static_cast<bool>(page_); }

    /// Requests that were not taken yet; nothing when the guest's index is impossible.
    std::optional<std::uint32_t> pending() const {
        const std::uint32_t prod = load_acquire(ring().header.req_prod);
        if (prod - rsp_prod_ > entries || prod - rsp_prod_ < req_cons_ - rsp_prod_) {
            return std::nullopt;
        }
        return prod - req_cons_;
    }
    /// A copy of request number `ahead` from the next one on; the guest can't change it any more.
    template <class Request>
    Request peek(std::uint32_t ahead = 0) const {
        Request copy;
        std::memcpy(&copy, &ring().entries[(req_cons_ + ahead) % entries], sizeof copy);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        return copy;
    }
    void skip(std::uint32_t count = 1) { req_cons_ += count; }
    /// How many were taken, as the ring's indices count.
    std::uint32_t taken() const { return req_cons_; }
    /// A takeover: a predecessor had taken the next `taken` requests and answered some: the first `answered` places hold
    /// responses that `publish` publishes.
    void inherit(std::uint32_t taken, std::uint32_t answered) {
        req_cons_ += taken;
        rsp_prod_ += answered;
    }
    /// Requests that were taken and not answered.
    std::uint32_t unanswered() const { return req_cons_ - rsp_prod_; }

    /// Writes the next response, over the oldest request that was not answered. There is one. A response of 8 or 16
    /// bytes is written by one instruction: a daemon that is killed has written all of it or nothing.
    template <class Response>
    void answer(const Response& response) {
        write(rsp_prod_, response);
        ++rsp_prod_;
    }
    /// The same for several, the last one first: what a killed daemon leaves is requests, then responses.
    template <class Response>
    void answer_all(std::span<const Response> responses) {
        for (std::size_t left = responses.size(); left-- > 0;) {
            write(rsp_prod_ + static_cast<std::uint32_t>(left), responses[left]);
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
        rsp_prod_ += static_cast<std::uint32_t>(responses.size());
    }
    /// Publishes the responses. Returns whether the guest asked to be rung for one of them.
    bool publish() {
        const std::uint32_t old = published_;
        if (old == rsp_prod_) {
            return false;
        }
        published_ = rsp_prod_;
        store_release(ring().header.rsp_prod, rsp_prod_);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const std::uint32_t event = load_acquire(ring().header.rsp_event);
        return rsp_prod_ - event < rsp_prod_ - old;
    }

    /// Asks to be rung for the next request; look at `pending` again after it. Until then an index that was passed
    /// stands there, and the guest does not ring.
    void want_ring() {
        store_release(ring().header.req_event, req_cons_ + 1);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }

 private:
    Ring& ring() const { return *page_.at<Ring>(); }

    template <class Response>
    void write(std::uint32_t number, const Response& response) {
        Entry& entry = ring().entries[number % entries];
        static_assert(sizeof response <= sizeof entry);
        if constexpr (sizeof response == sizeof(__m128i)) {
            static_assert(sizeof(Entry) % sizeof(__m128i) == 0, "entries are aligned to 16");
            _mm_store_si128(reinterpret_cast<__m128i*>(&entry), std::bit_cast<__m128i>(response));
        } else {
            static_assert(sizeof response == sizeof(std::uint64_t));
            const auto whole = std::bit_cast<long long>(response);
            _mm_storel_epi64(reinterpret_cast<__m128i_u*>(&entry), _mm_cvtsi64_si128(whole));
        }
    }

    base::Mapping page_;
    std::uint32_t req_cons_{0};
    std::uint32_t rsp_prod_{0};
    std::uint32_t published_{0};
};

}  // namespace noxs
