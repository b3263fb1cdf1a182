// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/console.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/log.hpp"
#include "noxs/shared.hpp"

namespace noxs {

using wire::ConsoleRing;
using wire::State;

namespace {

constexpr std::uint32_t out_size = sizeof(ConsoleRing::out);
constexpr std::uint32_t in_size = sizeof(ConsoleRing::in);
static_assert((out_size & (out_size - 1)) == 0 && (in_size & (in_size - 1)) == 0, "indices wrap at 2^32");

}  // namespace

ConsoleBackend::ConsoleBackend(hypervisor::Domain& domain, const wire::DeviceEntry& entry, base::Mapping control,
                               BackendListener& listener, Settings settings)
    : Backend(base::EvtchnPort(entry.port)),
      listener_(&listener),
      handshake_(domain, base::EvtchnPort(entry.port), std::move(control)),
      log_path_(std::move(settings.log_path)),
      log_capacity_(settings.log_capacity),
      throttle_(settings.throttle) {}

Result<std::unique_ptr<ConsoleBackend>> ConsoleBackend::create(hypervisor::Domain& domain,
                                                               const wire::DeviceEntry& entry, base::Mapping control,
                                                               BackendListener& listener, Settings settings) {
    BASE_TRY(check_control(control));
    std::unique_ptr<ConsoleBackend> backend(
        new ConsoleBackend(domain, entry, std::move(control), listener, std::move(settings)));
    backend->handshake_.init(device_type, entry.id);
    return backend;
}

Result<std::unique_ptr<ConsoleBackend>> ConsoleBackend::adopt(hypervisor::Domain& domain,
                                                              const wire::DeviceEntry& entry, base::Mapping control,
                                                              BackendListener& listener, Settings settings) {
    BASE_TRY(check_control(control));
    std::unique_ptr<ConsoleBackend> backend(
        new ConsoleBackend(domain, entry, std::move(control), listener, std::move(settings)));
    backend->handshake_.adopt(device_type, entry.id);
    if (backend->connected()) {
        backend->connect();
    }
    return backend;
}

Result<void> ConsoleBackend::map_ring() {
    const std::uint32_t size = load_acquire(control().ring_size);
    if (size != wire::page_size) {
        return base::fail(base::Code::protocol_error, "ring of " + std::to_string(size) + " bytes, expected 4096");
    }
    const base::GrantRef ref(load_acquire(control().ring_ref));
    BASE_ASSIGN(base::Mapping mapped, handshake_.domain().map_grant(ref, base::dom0, base::Access::read_write));
    if (mapped.size() < sizeof(ConsoleRing)) {
        return base::fail(base::Code::protocol_error, "the ring's grant is smaller than a ring");
    }
    ring_ = std::move(mapped);
    out_cons_ = load_acquire(ring().out_cons);
    in_prod_ = load_acquire(ring().in_prod);
    return {};
}

void ConsoleBackend::connect() {
    if (const auto mapped = map_ring(); !mapped) {
        break_off(mapped.error().message);
        return;
    }
    if (!connected()) {
        handshake_.enter(State::connected);
        handshake_.notify();
    }
}

void ConsoleBackend::drop_ring(State next) {
    ring_ = base::Mapping();
    handshake_.enter(next);
    handshake_.notify();
}

/// Said once in the life of the device: a guest that comes back to break it again can't fill the daemon's own log.
void ConsoleBackend::break_off(const std::string& why) {
    if (!std::exchange(reported_, true)) {
        base::log(base::Level::warn, "domain " + std::to_string(handshake_.domain_id().value) +
                                         " broke the protocol of its console, which is closed: " + why);
    }
    drop_ring(State::closing);
}

void ConsoleBackend::follow_frontend() {
    switch (handshake_.observe()) {
        case Step::none: return;
        case Step::connect: connect(); return;
        case Step::close: close(); return;
        case Step::reopen: drop_ring(State::init_wait); return;
    }
}

/// The last words count, also those of a frontend that came and went before anybody looked.
void ConsoleBackend::close() {
    const bool never_mapped = handshake_.state() == State::init_wait;
    if (ring_ || (never_mapped && map_ring())) {
        drain(out_size);
    }
    drop_ring(State::closed);
}

std::optional<Clock::time_point> ConsoleBackend::on_event(Clock::time_point now) {
    if (now < throttle_.resume()) {
        return throttle_.resume();
    }
    throttle_.refill(now);
    // Each step below takes a full ring at most before it looks at the tokens.
    if (throttle_.tokens() < out_size) {
        return throttle_.stop(now);
    }
    follow_frontend();
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

void ConsoleBackend::finish() {
    follow_frontend();
    if (ring_) {
        drain(out_size);
    }
}

/// Bytes on the ring; nothing when there is no ring any more, be it that the indices are impossible.
std::optional<std::uint32_t> ConsoleBackend::pending_output() {
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
void ConsoleBackend::drain(std::uint32_t bound) {
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
        handshake_.notify();
    }
}

/// First the log, then the ring: a daemon that is killed in between has lost nothing.
void ConsoleBackend::take(std::uint32_t size) {
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
    listener_->on_console_output(handshake_.domain_id(), offset, bytes);
}

std::size_t ConsoleBackend::write_input(std::span<const char> bytes) {
    if (!ring_ || !connected()) {
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
    handshake_.notify();
    return size;
}

ConsoleLog& ConsoleBackend::log() const {
    if (!log_) {
        log_ = std::make_unique<ConsoleLog>(std::move(log_path_), log_capacity_);
    }
    return *log_;
}

ConsoleLog::Text ConsoleBackend::log_text() const {
    return log().read();
}

}  // namespace noxs
