// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "guest-shims/frontends/console_ring.hpp"
#include "guest-shims/frontends/system.hpp"
#include "noxs/wire/control_page.hpp"

namespace guest {

/// The frontend of the guest's first console. Usable as soon as it is made: output waits in the ring until the backend
/// comes. Where there is no console, output goes to Platform::print; where its backend has closed it, it is dropped;
/// there is no input then. A backend that opens it again (init_wait) is followed. Only one may exist: it owns the
/// image's one ring page.
class Console final : public TextSink {
 public:
    explicit Console(System& system);
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    ~Console();

    /// Writes `text`. Waits for the backend while the ring is full. It is told at `flush`.
    void put(std::string_view text) override;

    /// Tells the backend about what was written since the last flush. Rings at most once.
    void flush();

    /// `format` to the console, and flush.
    template <class... Args>
    void print(std::string_view pattern, const Args&... args) {
        format(*this, pattern, args...);
        flush();
    }

    /// Waits for a line of input and returns it without its end ("\n", "\r" or "\r\n"), in `space`. A line longer
    /// than `space` comes in pieces.
    std::string_view read_line(std::span<char> space);

    bool connected() const { return connected_; }

    /// The shared pages, for a guest that wants to misbehave. `control` is null where there is no console.
    noxs::wire::ConsoleRing& ring() { return ring_.ring(); }
    noxs::wire::ConsoleControl* control() { return control_; }
    base::EvtchnPort port() const { return port_; }

 private:
    void connect();
    void disconnect();
    void follow_backend();
    bool next_char(char& c);

    System& system_;
    ConsoleRingFrontend ring_;
    noxs::wire::ConsoleControl* control_{nullptr};
    base::EvtchnPort port_;
    std::optional<base::GrantRef> grant_;
    bool connected_{false};
    bool unflushed_{false};
    bool consumed_{false};
    bool after_cr_{false};
};

}  // namespace guest
