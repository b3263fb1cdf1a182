// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/console.hpp"

#include <utility>

#include "noxs/shared.hpp"

namespace noxs {

using wire::State;

ConsoleBackend::ConsoleBackend(hypervisor::Domain& domain, const wire::DeviceEntry& entry, base::Mapping control,
                               BackendListener& listener, Settings settings)
    : Console(domain, base::EvtchnPort(entry.port), listener, std::move(settings)),
      handshake_(domain, base::EvtchnPort(entry.port), std::move(control)) {}

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
    BASE_ASSIGN(base::Mapping mapped, domain().map_grant(ref, base::dom0, base::Access::read_write));
    return use_ring(std::move(mapped));
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

void ConsoleBackend::leave(State next) {
    drop_ring();
    handshake_.enter(next);
    handshake_.notify();
}

void ConsoleBackend::follow_guest() {
    switch (handshake_.observe()) {
        case Step::none: return;
        case Step::connect: connect(); return;
        case Step::close: close(); return;
        case Step::reopen: leave(State::init_wait); return;
    }
}

/// The last words count, also those of a frontend that came and went before anybody looked.
void ConsoleBackend::close() {
    const bool never_mapped = handshake_.state() == State::init_wait;
    if (has_ring() || (never_mapped && map_ring())) {
        drain(out_size);
    }
    leave(State::closed);
}

}  // namespace noxs
