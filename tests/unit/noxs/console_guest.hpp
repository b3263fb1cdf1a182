// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "noxs/backends/console.hpp"
#include "tests/support/fake_domain.hpp"
#include "tests/unit/noxs/recording_listener.hpp"
#include "tests/support/temp_dir.hpp"

namespace test_support {

/// A domain with one console, and a well-behaved frontend to drive it.
struct ConsoleGuest : testing::Test {
    static constexpr std::uint32_t port = 4;
    static constexpr std::uint32_t ring_ref = 8;
    static constexpr std::uint64_t ring_gfn = FakeDomain::ram_gfn;

    noxs::wire::ConsoleControl& control() { return domain.page<noxs::wire::ConsoleControl>(FakeDomain::control_gfn); }
    noxs::wire::ConsoleRing& ring() { return domain.page<noxs::wire::ConsoleRing>(ring_gfn); }
    noxs::wire::DeviceEntry entry() {
        noxs::wire::DeviceEntry made{};
        made.type = noxs::wire::DeviceType::console;
        made.port = port;
        return made;
    }
    base::Mapping mapping() { return *domain.map_pages(base::Gfn(FakeDomain::control_gfn), 1); }
    noxs::ConsoleBackend::Settings settings() { return {folder.file("7.log"), base::kib(4), throttle}; }
    std::unique_ptr<noxs::ConsoleBackend> create() {
        return *noxs::ConsoleBackend::create(domain, entry(), mapping(), listener, settings());
    }
    std::unique_ptr<noxs::ConsoleBackend> adopt() {
        return *noxs::ConsoleBackend::adopt(domain, entry(), mapping(), listener, settings());
    }

    void publish_ring() {
        domain.grant_page(ring_ref, ring_gfn);
        control().ring_ref = ring_ref;
        control().ring_size = 4096;
        control().header.frontend_state = noxs::wire::State::connected;
    }
    /// Puts as much as fits on the ring; returns how much.
    std::size_t print(std::string_view text) {
        const std::uint32_t room = 2048 - (ring().out_prod - ring().out_cons);
        const std::size_t size = std::min<std::size_t>(room, text.size());
        for (std::size_t i = 0; i < size; ++i) {
            ring().out[(ring().out_prod + i) % 2048] = text[i];
        }
        ring().out_prod += static_cast<std::uint32_t>(size);
        return size;
    }
    std::string read_input() {
        std::string text;
        for (; ring().in_cons != ring().in_prod; ++ring().in_cons) {
            text += ring().in[ring().in_cons % 1024];
        }
        return text;
    }
    std::unique_ptr<noxs::ConsoleBackend> connected() {
        auto backend = create();
        publish_ring();
        backend->on_event(now);
        return backend;
    }

    TempDir folder;
    FakeDomain domain;
    RecordingListener listener;
    noxs::ConsoleThrottle throttle{};
    noxs::Clock::time_point now{std::chrono::hours(1)};
};

}  // namespace test_support
