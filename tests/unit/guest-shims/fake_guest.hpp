// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "guest-shims/frontends/system.hpp"
#include "noxs/wire/control_page.hpp"
#include "noxs/wire/device_page.hpp"

namespace guest {

/// What FakePlatform::shutdown throws in place of ending the test.
struct GuestEnded {
    std::int32_t code;
};

/// A platform whose other side is a function that runs whenever the guest sleeps.
class FakePlatform final : public Platform {
 public:
    std::string_view name() const override { return "fake"; }
    void notify(base::EvtchnPort port) override { rung.push_back(port.value); }
    PortSet take_pending() override { return {}; }
    void wait(std::optional<Nanoseconds>) override {
        if (++waits > 10'000) {
            throw GuestEnded{-1};  // the guest waits for what will not come
        }
        if (while_asleep) {
            while_asleep();
        }
    }
    Nanoseconds monotonic() const override { return time; }
    Nanoseconds wall_clock() const override { return {}; }
    void entropy(std::span<std::byte>) override {}
    std::span<base::GrantEntryV1> grant_table() override { return grants; }
    void print(std::string_view text) override { printed += text; }
    [[noreturn]] void shutdown(std::int32_t code) override { throw GuestEnded{code}; }

    std::vector<std::uint32_t> rung;
    std::string printed;
    std::array<base::GrantEntryV1, 512> grants{};
    std::function<void()> while_asleep;
    unsigned waits{0};
    Nanoseconds time{};
};

/// A guest with sysctl on port 1 and a console, whose backend is domain 0, on port 2.
struct FakeGuest {
    static constexpr std::uint32_t sysctl_port = 1;
    static constexpr std::uint32_t console_port = 2;

    FakeGuest() {
        add(noxs::wire::DeviceType::sysctl, sysctl_port, sysctl.page.header);
        add(noxs::wire::DeviceType::console, console_port, console.page.header);
    }

    BootInfo boot() const {
        BootInfo info;
        info.device_page = &devices;
        return info;
    }

    template <class Control>
    struct alignas(noxs::wire::page_size) ControlPage {
        Control page{};
    };

    alignas(noxs::wire::page_size) noxs::wire::DevicePage devices{
        noxs::wire::magic, noxs::wire::version, sizeof(noxs::wire::DeviceEntry), 2, 0, {}, {}};
    ControlPage<noxs::wire::SysctlControl> sysctl;
    ControlPage<noxs::wire::ConsoleControl> console;
    FakePlatform platform;

 private:
    void add(noxs::wire::DeviceType type, std::uint32_t port, noxs::wire::ControlHeader& header) {
        header.version = noxs::wire::version;
        header.type = type;
        header.backend_state = noxs::wire::State::init_wait;
        auto& entry = devices.entries[devices.count++];
        entry.type = type;
        entry.port = port;
        entry.control_gfn = reinterpret_cast<std::uintptr_t>(&header) / base::page_size;
    }
};

}  // namespace guest
