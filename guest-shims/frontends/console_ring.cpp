// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/console_ring.hpp"

#include "guest-shims/runtime/shared.hpp"

namespace guest {

namespace {

/// Bytes between two free-running indices; nothing where they lie further apart than the ring is long.
std::optional<std::uint32_t> distance(std::uint32_t prod, std::uint32_t cons, std::uint32_t size) {
    const std::uint32_t used = prod - cons;
    return used <= size ? std::optional(used) : std::nullopt;
}

}  // namespace

std::optional<std::size_t> ConsoleRingFrontend::write(std::string_view text) {
    constexpr std::uint32_t size = sizeof ring_.out;
    const auto used = distance(out_prod_, load_acquire(ring_.out_cons), size);
    if (!used) {
        return std::nullopt;
    }
    const std::size_t room = size - *used;
    const std::size_t count = text.size() < room ? text.size() : room;
    for (std::size_t i = 0; i < count; ++i) {
        ring_.out[out_prod_ % size] = text[i];
        ++out_prod_;
    }
    if (count > 0) {
        store_release(ring_.out_prod, out_prod_);
    }
    return count;
}

std::optional<std::size_t> ConsoleRingFrontend::read(std::span<char> out) {
    constexpr std::uint32_t size = sizeof ring_.in;
    const auto used = distance(load_acquire(ring_.in_prod), in_cons_, size);
    if (!used) {
        return std::nullopt;
    }
    const std::size_t count = out.size() < *used ? out.size() : *used;
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = load_relaxed(ring_.in[in_cons_ % size]);
        ++in_cons_;
    }
    if (count > 0) {
        store_release(ring_.in_cons, in_cons_);
    }
    return count;
}

}  // namespace guest
