// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/mapping.hpp"
#include "noxs/backend.hpp"
#include "noxs/console_log.hpp"
#include "noxs/throttle.hpp"
#include "noxs/wire/console_ring.hpp"

namespace noxs {

/// What every console does once it has a ring: drains Xen's console ring into a bounded log and to the listener, and
/// feeds input. How the ring is found, and what a guest that breaks it is told, is left to the kind of console.
///
/// A guest that floods is slowed by a token bucket: its ring is left full, so that it waits and nobody else does.
/// A listener must not destroy the console inside `on_console_output`.
class Console : public Backend {
 public:
    static constexpr wire::DeviceType device_type = wire::DeviceType::console;
    /// The most that one `on_event` takes from the ring, so that one guest does not hold up the others.
    static constexpr std::uint32_t work_bound = 16 << 10;

    /// `log_path`: where output is kept, in an existing folder.
    struct Settings {
        std::string log_path;
        base::Bytes log_capacity{default_log_capacity};
        ConsoleThrottle throttle{};
    };

    wire::DeviceType type() const final { return device_type; }
    std::optional<Clock::time_point> on_event(Clock::time_point now) final;

    /// After the guest's death and before Domain::destroy: takes what is left on the ring, throttled or not, also of
    /// a guest that connected and died before anybody looked.
    void finish();

    /// Puts as much of `bytes` as fits into the guest's input and rings it; returns how many bytes it took, 0 while
    /// there is no ring.
    std::size_t write_input(std::span<const char> bytes);

    /// What is kept of the output.
    ConsoleLog::Text log_text() const;

    /// The log's bound, once the guest's configuration is known. No effect after the first output or
    /// the first look at the log.
    void set_log_capacity(base::Bytes capacity) { log_capacity_ = capacity; }

    /// How often the throttle has stopped this guest.
    std::uint32_t throttled() const { return throttle_.stops(); }

 protected:
    static constexpr std::uint32_t out_size = sizeof(wire::ConsoleRing::out);
    static constexpr std::uint32_t in_size = sizeof(wire::ConsoleRing::in);

    /// `domain` and `listener` outlive the console.
    Console(hypervisor::Domain& domain, base::EvtchnPort port, BackendListener& listener, Settings settings);

    /// From now on `ring` is used, from where its indices stand. Error protocol_error: smaller than a ring.
    Result<void> use_ring(base::Mapping ring);
    hypervisor::Domain& domain() const { return *domain_; }
    void drop_ring() { ring_ = base::Mapping(); }
    bool has_ring() const { return static_cast<bool>(ring_); }
    /// Takes at most `bound` bytes off the ring.
    void drain(std::uint32_t bound);
    /// The guest broke the ring's rules: says so once, and uses the ring no more.
    void break_off(const std::string& why);

 private:
    /// Looks at what the guest says beside the ring.
    virtual void follow_guest() {}
    /// The ring has just been dropped by `break_off`.
    virtual void on_broken() {}

    void notify();
    std::optional<std::uint32_t> pending_output();
    void take(std::uint32_t size);
    ConsoleLog& log() const;
    wire::ConsoleRing& ring() const { return *ring_.at<wire::ConsoleRing>(); }

    hypervisor::Domain* domain_;
    BackendListener* listener_;
    base::Mapping ring_;
    mutable std::string log_path_;  // moves into the log when that is made
    mutable std::unique_ptr<ConsoleLog> log_;
    base::Bytes log_capacity_;
    Throttle throttle_;
    std::uint32_t out_cons_{0};
    std::uint32_t in_prod_{0};
    bool reported_{false};
};

}  // namespace noxs
