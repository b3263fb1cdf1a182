// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "noxs/backend.hpp"
#include "noxs/console_log.hpp"
#include "noxs/handshake.hpp"
#include "noxs/throttle.hpp"
#include "noxs/wire/console_ring.hpp"

namespace noxs {

/// Backend of the console: drains Xen's console ring into a bounded log and to the listener, and feeds input. Small
/// while idle (below 256 bytes with its path): the log is made at the first output.
///
/// A guest that floods is slowed by a token bucket: its ring is left full, so that it waits and nobody else does.
/// A listener must not destroy the backend inside `on_console_output`.
class ConsoleBackend final : public Backend {
 public:
    static constexpr wire::DeviceType device_type = wire::DeviceType::console;
    /// The most that one `on_event` takes from the ring, so that one guest does not hold up the others.
    static constexpr std::uint32_t work_bound = 16 << 10;

    /// `log_path`: where output is kept, in an existing folder. `domain` and `listener` outlive the backend.
    struct Settings {
        std::string log_path;
        base::Bytes log_capacity{default_log_capacity};
        ConsoleThrottle throttle{};
    };

    /// On a control page that is all zero: writes the header with InitWait.
    static Result<std::unique_ptr<ConsoleBackend>> create(hypervisor::Domain& domain, const wire::DeviceEntry& entry,
                                                          base::Mapping control, BackendListener& listener,
                                                          Settings settings);
    /// On the page of a guest that may run already: maps its ring again (the grant is checked again) and goes on where
    /// the last backend stopped. Bytes that a killed daemon had kept but not taken off the ring come once more.
    static Result<std::unique_ptr<ConsoleBackend>> adopt(hypervisor::Domain& domain, const wire::DeviceEntry& entry,
                                                         base::Mapping control, BackendListener& listener,
                                                         Settings settings);

    wire::DeviceType type() const override { return device_type; }
    std::optional<Clock::time_point> on_event(Clock::time_point now) override;

    /// After the guest's death and before Domain::destroy: takes what is left on the ring, throttled or not, also of
    /// a guest that connected and died before anybody looked.
    void finish();

    /// Puts as much of `bytes` as fits into the guest's input and rings it; returns how many bytes it took, 0 while
    /// no frontend is connected.
    std::size_t write_input(std::span<const char> bytes);

    /// What is kept of the output.
    ConsoleLog::Text log_text() const;

    /// The log's bound, once the guest's configuration is known. No effect after the first output or
    /// the first look at the log.
    void set_log_capacity(base::Bytes capacity) { log_capacity_ = capacity; }

    bool connected() const { return handshake_.state() == wire::State::connected; }

    /// How often the throttle has stopped this guest.
    std::uint32_t throttled() const { return throttle_.stops(); }

 private:
    ConsoleBackend(hypervisor::Domain& domain, const wire::DeviceEntry& entry, base::Mapping control,
                   BackendListener& listener, Settings settings);
    void follow_frontend();
    void drop_ring(wire::State next);
    Result<void> map_ring();
    void connect();
    void close();
    void drain(std::uint32_t bound);
    std::optional<std::uint32_t> pending_output();
    void take(std::uint32_t size);
    void break_off(const std::string& why);
    ConsoleLog& log() const;
    wire::ConsoleControl& control() const { return handshake_.page<wire::ConsoleControl>(); }
    wire::ConsoleRing& ring() const { return *ring_.at<wire::ConsoleRing>(); }

    BackendListener* listener_;
    Handshake handshake_;
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
