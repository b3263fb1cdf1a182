// SPDX-License-Identifier: Apache-2.0
// What fault.cpp's frontends of vif and vbd share: rings that nobody checks on this side.
#pragma once

#include <optional>
#include <type_traits>

#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/control.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/guests/fault_memory.hpp"
#include "guest-shims/runtime/grants.hpp"
#include "guest-shims/runtime/shared.hpp"

namespace guest {

struct alignas(noxs::wire::page_size) RawPage {
    std::byte bytes[noxs::wire::page_size];
};

/// The frontend's end of a Xen ring: what is put there is put there, whatever the backend thinks of it.
template <class Ring>
class RawRing {
 public:
    static constexpr std::uint32_t entries = std::extent_v<decltype(Ring::entries)>;

    Ring& ring() { return *reinterpret_cast<Ring*>(&page_); }
    const RawPage& page() const { return page_; }

    template <class Request>
    void put(const Request& request) {
        *reinterpret_cast<Request*>(&ring().entries[req_prod_++ % entries]) = request;
    }
    void publish() { store_release(ring().header.req_prod, req_prod_); }
    void publish(std::uint32_t index) { store_release(ring().header.req_prod, index); }
    std::uint32_t published() { return load_relaxed(ring().header.req_prod); }

    /// The next response; nothing: there is none yet, and the backend is asked to ring for it.
    template <class Response>
    std::optional<Response> take() {
        store_release(ring().header.rsp_event, rsp_cons_ + 1);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (load_acquire(ring().header.rsp_prod) == rsp_cons_) {
            return std::nullopt;
        }
        return *reinterpret_cast<const Response*>(&ring().entries[rsp_cons_++ % entries]);
    }

 private:
    RawPage page_{};
    std::uint32_t req_prod_{0};
    std::uint32_t rsp_cons_{0};
};

/// The first device of `type`: its control page, its port, and words about what becomes of it.
template <class Control>
class RawDevice {
 public:
    RawDevice(System& system, noxs::wire::DeviceType type) : system_(system), console_(system) {
        const auto found = system.devices().first(type);
        control_ = found ? control_page<Control>(*found) : nullptr;
        if (control_ == nullptr) {
            system.panic("there is no such device");
        }
        entry_ = *found;
    }

    Control& control() { return *control_; }
    System& system() { return system_; }
    Console& console() { return console_; }
    void notify() { system_.platform().notify(base::EvtchnPort{entry_.port}); }

    std::uint32_t grant(const void* page, GrantAccess access = GrantAccess::read_write) {
        const auto ref = grant_page(system_.platform().grant_table(), page, base::DomId{entry_.backend}, access);
        if (!ref) {
            system_.panic("no free grant");
        }
        return ref->value;
    }

    void say(noxs::wire::State state) {
        store_release(control_->header.frontend_state, state);
        notify();
    }
    bool backend_left() const {
        const auto state = load_acquire(control_->header.backend_state);
        return state == noxs::wire::State::closing || state == noxs::wire::State::closed;
    }
    /// The rings are published; whether the backend took them.
    bool connect() {
        say(noxs::wire::State::connected);
        while (load_acquire(control_->header.backend_state) != noxs::wire::State::connected && !backend_left()) {
            system_.wait();
        }
        return !backend_left();
    }
    /// For a frontend that is wrong enough to be served no more: returns never, says when that has come.
    [[noreturn]] void await_end() {
        while (!backend_left()) {
            system_.wait();
        }
        console_.print("the backend has left\n");
        idle(system_);
    }
    /// Does nothing but let go of the device when it is asked to.
    [[noreturn]] void await_close() {
        while (!backend_left()) {
            system_.wait();
        }
        say(noxs::wire::State::closed);
        console_.print("the device has gone\n");
        idle(system_);
    }
    /// Rings as fast as it can, until the backend has had enough.
    [[noreturn]] void ring_without_end() {
        while (!backend_left()) {
            notify();
        }
        await_end();
    }
    /// The next response of `ring`, waited for.
    template <class Response, class Ring>
    Response await(RawRing<Ring>& ring) {
        for (;;) {
            if (const auto response = ring.template take<Response>()) {
                return *response;
            }
            if (backend_left()) {
                await_end();
            }
            system_.wait();
        }
    }

 private:
    System& system_;
    Console console_;
    noxs::wire::DeviceEntry entry_{};
    Control* control_{nullptr};
};

/// Noise all over `pages`, again and again, with a ring after each round; ends never.
template <class Device, std::size_t count>
[[noreturn]] void make_noise(Device& device, void* const (&pages)[count]) {
    constexpr std::uint64_t multiplier = 6364136223846793005;
    std::uint64_t noise = 0x9e3779b97f4a7c15;
    for (unsigned round = 0;; ++round) {
        for (void* page : pages) {
            auto* words = static_cast<std::uint64_t*>(page);
            for (std::size_t i = 0; i < noxs::wire::page_size / sizeof *words; ++i) {
                noise = noise * multiplier + 1442695040888963407;
                store_relaxed(words[i], round % 2 == 0 ? noise >> (noise & 63) : noise & 0xff000000ff);
            }
        }
        // So that the backend takes the rings again and again, not only once.
        auto& state = device.control().header.frontend_state;
        for (const auto next : {noxs::wire::State::initialising, noxs::wire::State::connected}) {
            store_release(state, next);
            device.notify();
        }
    }
}

}  // namespace guest
