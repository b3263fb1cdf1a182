// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/console.hpp"

#include "guest-shims/frontends/control.hpp"
#include "guest-shims/runtime/grants.hpp"

namespace guest {

namespace wire = noxs::wire;

namespace {

struct alignas(wire::page_size) RingPage {
    wire::ConsoleRing ring;
};
static_assert(sizeof(RingPage) == wire::page_size);

/// A page of the image, not of the heap: a guest with a console and no heap touches nothing else.
[[gnu::section(".bss.page_aligned")]] constinit RingPage ring_page{};

bool is_closing(wire::State backend) {
    return backend == wire::State::closing || backend == wire::State::closed;
}

}  // namespace

Console::Console(System& system) : system_(system), ring_(ring_page.ring) {
    system.set_panic_sink(this);
    const auto device = system.devices().first(wire::DeviceType::console);
    if (!device) {
        return;
    }
    control_ = control_page<wire::ConsoleControl>(*device);
    port_ = base::EvtchnPort{device->port};
    if (control_ == nullptr) {
        return;
    }
    grant_ = grant_page(system.platform().grant_table(), &ring_page, base::DomId{device->backend});
    if (grant_ && !is_closing(load_acquire(control_->header.backend_state))) {
        connect();
    }
}

Console::~Console() {
    flush();
    system_.set_panic_sink(nullptr);
}

/// Publishes the ring; the backend becomes connected when it has mapped it.
void Console::connect() {
    connected_ = true;
    store_relaxed(control_->ring_ref, grant_->value);
    store_relaxed(control_->ring_size, static_cast<std::uint32_t>(wire::page_size));
    store_release(control_->header.frontend_state, wire::State::connected);
    system_.platform().notify(port_);
}

void Console::disconnect() {
    connected_ = false;
    store_release(control_->header.frontend_state, wire::State::closed);
    system_.platform().notify(port_);
}

void Console::follow_backend() {
    if (!grant_) {
        return;
    }
    const wire::State backend = load_acquire(control_->header.backend_state);
    if (connected_ && is_closing(backend)) {
        disconnect();
    } else if (!connected_ && backend == wire::State::init_wait) {
        connect();
    }
}

void Console::put(std::string_view text) {
    while (!text.empty()) {
        follow_backend();
        if (!connected_) {
            if (control_ == nullptr) {
                system_.platform().print(text);
            }
            return;
        }
        const auto written = ring_.write(text);
        if (!written) {
            disconnect();
            return;
        }
        text.remove_prefix(*written);
        unflushed_ = unflushed_ || *written > 0;
        if (!text.empty()) {
            flush();
            system_.wait();
        }
    }
}

void Console::flush() {
    if (unflushed_ && connected_) {
        system_.platform().notify(port_);
    }
    unflushed_ = false;
}

/// One character of input, if there is one.
bool Console::next_char(char& c) {
    if (!connected_) {
        return false;
    }
    const auto got = ring_.read({&c, 1});
    if (!got) {
        disconnect();
        return false;
    }
    consumed_ = consumed_ || *got > 0;
    return *got > 0;
}

std::string_view Console::read_line(std::span<char> space) {
    flush();
    std::size_t length = 0;
    while (length < space.size()) {
        follow_backend();
        char c{};
        if (!next_char(c)) {
            // The backend may wait for room in the ring.
            if (consumed_ && connected_) {
                system_.platform().notify(port_);
            }
            consumed_ = false;
            system_.wait();
            continue;
        }
        const bool second_half = after_cr_ && c == '\n';
        after_cr_ = c == '\r';
        if (second_half) {
            continue;
        }
        if (c == '\n' || c == '\r') {
            break;
        }
        space[length++] = c;
    }
    return {space.data(), length};
}

}  // namespace guest
