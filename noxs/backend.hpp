// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ids.hpp"
#include "hypervisor/hypervisor.hpp"
#include "noxs/wire/control_page.hpp"

namespace noxs {

using base::Result;
using Clock = std::chrono::steady_clock;

/// What backends tell the toolstack. Called on the thread that calls the backend.
class BackendListener {
 public:
    virtual ~BackendListener() = default;
    /// First time that the guest says ready.
    virtual void on_ready(base::DomId domain) = 0;
    /// The guest announced why it is about to end; its death follows (or it is destroyed after a grace period).
    virtual void on_shutdown(base::DomId domain, wire::ShutdownReason reason, std::int32_t exit_code) = 0;
    /// The guest acknowledged requests (bits of wire::SysctlRequest).
    virtual void on_acknowledged(base::DomId domain, std::uint32_t requests) = 0;
    /// Bytes that the guest wrote to its console; already in its log. `offset`: bytes that it wrote before these.
    virtual void on_console_output(base::DomId domain, std::uint64_t offset, std::span<const char> bytes) = 0;
};

/// The backend half of one device of one domain. Single-threaded. Everything it reads from shared pages is hostile:
/// copied once and checked; a guest that breaks the protocol gets its device closed and hurts nobody else.
class Backend {
 public:
    virtual ~Backend() = default;

    virtual wire::DeviceType type() const = 0;
    base::EvtchnPort port() const { return port_; }

    /// The guest rang the port, or the toolstack wants the page looked at again (after adoption, before destroy).
    /// Bounded work. Returns when it wants to be called again without a ring (a throttled console), else nothing.
    virtual std::optional<Clock::time_point> on_event(Clock::time_point now) = 0;

 protected:
    explicit Backend(base::EvtchnPort port) : port_(port) {}
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

 private:
    base::EvtchnPort port_;
};

}  // namespace noxs
