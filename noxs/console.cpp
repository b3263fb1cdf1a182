// SPDX-License-Identifier: Apache-2.0
#include "noxs/console.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/log.hpp"
#include "noxs/shared.hpp"

namespace noxs {

using wire::ConsoleRing;

Console::Console(hypervisor::Domain& domain, base::EvtchnPort port, BackendListener& listener, Settings settings)
    : Backend(port),
      domain_(&domain),
      listener_(&listener),
      log_path_(std::move(settings.log_path)),
      log_capacity_(settings.log_capacity),
      throttle_(settings.throttle) {
    static_assert((out_size & (out_size - 1)) == 0 && (in_size & (in_size - 1)) == 0, "indices wrap at 2^32");
}

Result<void> Console::use_ring(base::Mapping mapped) {
    if (mapped.size() < sizeof(ConsoleRing)) {
        return base::fail(base::Code::protocol_error, "the ring's grant is smaller than a ring");
    }
    ring_ = std::move(mapped);
    out_cons_ = load_acquire(ring().out_cons);
    in_prod_ = load_acquire(ring().in_prod);
    return {};
}

/// A guest that is gone hears nothing, and that is no error.
void Console::notify() {
    if (!domain_->notify(port())) {
        return;
    }
}

/// Said once in the life of the device: a guest that comes back to break it again can't fill the daemon's own log.
void Console::break_off(const std::string& why) {
    if (!std::exchange(reported_, true)) {
        base::log(base::Level::warn, "domain " + std::to_string(domain_->id().value) +
                                         " broke the protocol of its console, which is closed: " + why);
    }
    drop_ring();
    on_broken();
}

std::optional<Clock::time_point> Console::on_event(Clock::time_point now) {
    if (now < throttle_.resume()) {
        return throttle_.resume();
    }
    throttle_.refill(now);
    // Each step below takes a full ring at most before it looks at the tokens.
    if (throttle_.tokens() < out_size) {
        return throttle_.stop(now);
    }
    follow_guest();
    if (!ring_) {
        return std::nullopt;
    }
    drain(throttle_.tokens());
    const auto left = pending_output();
    if (!left || *left == 0) {
        return std::nullopt;
    }
    return throttle_.tokens() < out_size ? throttle_.stop(now) : now;
}

void Console::finish() {
    follow_guest();
    if (ring_) {
        drain(out_size);
    }
}

/// Bytes on the ring; nothing when there is no ring any more, be it that the indices are impossible.
std::optional<std::uint32_t> Console::pending_output() {
    if (!ring_) {
        return std::nullopt;
    }
    const std::uint32_t pending = load_acquire(ring().out_prod) - out_cons_;
    if (pending > out_size) {
        break_off("output indices " + std::to_string(pending) + " apart in a ring of " + std::to_string(out_size));
        return std::nullopt;
    }
    return pending;
}

/// At most `bound` bytes, in a bounded number of rounds: a guest that refills the ring, or dribbles, in step with us
/// can't hold us.
void Console::drain(std::uint32_t bound) {
    constexpr unsigned max_rounds = work_bound / out_size;
    std::uint32_t taken = 0;
    for (unsigned round = 0; round < max_rounds; ++round) {
        const std::uint32_t size = std::min(pending_output().value_or(0), bound - taken);
        if (size == 0) {
            break;
        }
        take(size);
        taken += size;
    }
    if (taken > 0) {
        notify();
    }
}

/// First the log, then the ring: a daemon that is killed in between has lost nothing.
void Console::take(std::uint32_t size) {
    std::array<char, out_size> copy;
    const std::uint32_t start = out_cons_ % out_size;
    const std::uint32_t until_end = std::min(size, out_size - start);
    std::memcpy(copy.data(), ring().out + start, until_end);
    std::memcpy(copy.data() + until_end, ring().out, size - until_end);
    const std::span<const char> bytes(copy.data(), size);
    const std::uint64_t offset = log().total();
    log().append(bytes);
    throttle_.spend(size);
    out_cons_ += size;
    store_release(ring().out_cons, out_cons_);
    listener_->on_console_output(domain_->id(), offset, bytes);
}

std::size_t Console::write_input(std::span<const char> bytes) {
    if (!ring_) {
        return 0;
    }
    const std::uint32_t used = in_prod_ - load_acquire(ring().in_cons);
    if (used > in_size) {
        break_off("input indices " + std::to_string(used) + " apart in a ring of " + std::to_string(in_size));
        return 0;
    }
    const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), in_size - used));
    if (size == 0) {
        return 0;
    }
    const std::uint32_t start = in_prod_ % in_size;
    const std::uint32_t until_end = std::min(size, in_size - start);
    std::memcpy(ring().in + start, bytes.data(), until_end);
    std::memcpy(ring().in, bytes.data() + until_end, size - until_end);
    in_prod_ += size;
    store_release(ring().in_prod, in_prod_);
    notify();
    return size;
}

ConsoleLog& Console::log() const {
    if (!log_) {
        log_ = std::make_unique<ConsoleLog>(std::move(log_path_), log_capacity_);
    }
    return *log_;
}

ConsoleLog::Text Console::log_text() const {
    return log().read();
}

}  // namespace noxs
