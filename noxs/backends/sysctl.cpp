// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/sysctl.hpp"

#include <utility>

#include "noxs/shared.hpp"

namespace noxs {

using wire::ShutdownReason;
using wire::State;
using wire::SysctlRequest;

namespace {

constexpr std::uint32_t bit(SysctlRequest request) {
    return static_cast<std::uint32_t>(request);
}
constexpr std::uint32_t all_requests = bit(SysctlRequest::power_off) | bit(SysctlRequest::reboot) |
                                       bit(SysctlRequest::suspend) | bit(SysctlRequest::resume);

/// A reason of no known number is a guest that broke the protocol on its way out.
ShutdownReason checked(ShutdownReason reason) {
    return reason > ShutdownReason::out_of_memory ? ShutdownReason::crash : reason;
}

}  // namespace

SysctlBackend::SysctlBackend(hypervisor::Domain& domain, const wire::DeviceEntry& entry, base::Mapping control,
                             BackendListener& listener)
    : Backend(base::EvtchnPort(entry.port)),
      domain_(&domain),
      listener_(&listener),
      handshake_(domain, base::EvtchnPort(entry.port), std::move(control)) {}

Result<std::unique_ptr<SysctlBackend>> SysctlBackend::create(hypervisor::Domain& domain, const wire::DeviceEntry& entry,
                                                             base::Mapping control, BackendListener& listener) {
    BASE_TRY(check_control(control));
    std::unique_ptr<SysctlBackend> backend(new SysctlBackend(domain, entry, std::move(control), listener));
    backend->handshake_.init(device_type, entry.id);
    return backend;
}

Result<std::unique_ptr<SysctlBackend>> SysctlBackend::adopt(hypervisor::Domain& domain, const wire::DeviceEntry& entry,
                                                            base::Mapping control, BackendListener& listener) {
    BASE_TRY(check_control(control));
    std::unique_ptr<SysctlBackend> backend(new SysctlBackend(domain, entry, std::move(control), listener));
    backend->handshake_.adopt(device_type, entry.id);
    const auto& page = backend->control();
    backend->ready_ = load_acquire(page.ready) == 1;
    backend->requests_ = load_acquire(page.requests) & all_requests;
    backend->acknowledged_ = load_acquire(page.acknowledged) & backend->requests_;
    return backend;
}

/// The frontend does not wait for the backend's Connected: no ring is spent on it, which counts at launch.
void SysctlBackend::follow_frontend() {
    switch (handshake_.observe()) {
        case Step::none: return;
        case Step::connect: handshake_.enter(State::connected); return;
        case Step::close: handshake_.enter(State::closed); break;
        case Step::reopen: handshake_.enter(State::init_wait); break;
    }
    handshake_.notify();
}

std::optional<Clock::time_point> SysctlBackend::on_event(Clock::time_point) {
    const bool first_ready = !ready_ && load_acquire(control().ready) == 1;
    const std::uint32_t seen = load_acquire(control().acknowledged) & requests_;
    const std::uint32_t news = seen & ~acknowledged_;
    const FinalState said = read_final();
    const bool first_reason = final_.reason == ShutdownReason::none && said.reason != ShutdownReason::none;
    ready_ = ready_ || first_ready;
    acknowledged_ |= news;
    if (first_reason) {
        final_ = said;
    }
    follow_frontend();

    // From here on only locals: a listener may destroy this backend.
    BackendListener& listener = *listener_;
    const base::DomId domain = domain_->id();
    if (first_ready) {
        listener.on_ready(domain);
    }
    if (news != 0) {
        listener.on_acknowledged(domain, news);
    }
    if (first_reason) {
        listener.on_shutdown(domain, said.reason, said.exit_code);
    }
    return std::nullopt;
}

Result<void> SysctlBackend::request(SysctlRequest request) {
    if (handshake_.state() == State::closed) {
        return base::fail(base::Code::bad_state, "the guest has closed its sysctl device");
    }
    requests_ |= bit(request);
    store_release(control().requests, requests_);
    return domain_->notify(port());
}

FinalState SysctlBackend::read_final() const {
    const ShutdownReason reason = checked(load_acquire(control().reason));
    return {reason, reason == ShutdownReason::none ? 0 : load_acquire(control().exit_code)};
}

FinalState SysctlBackend::final_state() const {
    return final_.reason == ShutdownReason::none ? read_final() : final_;
}

}  // namespace noxs
