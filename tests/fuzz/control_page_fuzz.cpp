// SPDX-License-Identifier: Apache-2.0
// The input is what a hostile guest writes: a list of steps, each of which puts bytes somewhere into its control pages,
// console ring or grant table, and lets the backends look. The backends must stay within their bounds whatever it is.
//
// One step: u8 where (low 3 bits: target, bit 7: adopt anew first), u16 offset, u8 length, bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "base/log.hpp"
#include "noxs/backends/console.hpp"
#include "noxs/backends/sysctl.hpp"
#include "tests/support/fake_domain.hpp"

namespace {

using test_support::FakeDomain;

/// Ends the run, as a sanitizer would, when a backend breaks its promise.
void require(bool held) {
    if (!held) {
        std::abort();
    }
}

class Witness final : public noxs::BackendListener {
 public:
    void on_ready(base::DomId) override { require(++ready_ == 1); }
    void on_shutdown(base::DomId, noxs::wire::ShutdownReason reason, std::int32_t) override {
        require(reason > noxs::wire::ShutdownReason::none && reason <= noxs::wire::ShutdownReason::out_of_memory);
        require(++shutdowns_ == 1);
    }
    void on_acknowledged(base::DomId, std::uint32_t requests) override { require((requests & ~1U) == 0); }
    void on_console_output(base::DomId, std::uint64_t, std::span<const char> bytes) override {
        require(!bytes.empty() && bytes.size() <= sizeof(noxs::wire::ConsoleRing::out));
        taken += bytes.size();
    }
    std::size_t taken{0};

 private:
    unsigned ready_{0};
    unsigned shutdowns_{0};
};

noxs::wire::DeviceEntry entry(noxs::wire::DeviceType type, std::uint32_t port) {
    noxs::wire::DeviceEntry made{};
    made.type = type;
    made.port = port;
    return made;
}

struct Guest {
    static constexpr std::uint64_t sysctl_gfn = FakeDomain::control_gfn;
    static constexpr std::uint64_t console_gfn = FakeDomain::control_gfn + 1;
    static constexpr std::uint64_t ring_gfn = FakeDomain::ram_gfn;

    FakeDomain domain;
    Witness witness;
    std::unique_ptr<noxs::SysctlBackend> sysctl;
    std::unique_ptr<noxs::ConsoleBackend> console;
    noxs::Clock::time_point now{std::chrono::hours(1)};

    Guest() {
        domain.grant_page(8, ring_gfn);
        sysctl = *noxs::SysctlBackend::create(domain, entry(noxs::wire::DeviceType::sysctl, 1),
                                              *domain.map_pages(base::Gfn(sysctl_gfn), 1), witness);
        make_console(noxs::ConsoleBackend::create);
        require(sysctl->request(noxs::wire::SysctlRequest::power_off).has_value());
    }
    template <class Make>
    void make_console(Make make) {
        console = *make(domain, entry(noxs::wire::DeviceType::console, 2), *domain.map_pages(base::Gfn(console_gfn), 1),
                        witness, {"/nonexistent/console.log", base::kib(4), {}});
    }

    std::span<std::byte> target(unsigned which) {
        constexpr std::uint64_t gfns[] = {sysctl_gfn, console_gfn, ring_gfn, FakeDomain::grant_table_gfn};
        return {&domain.page<std::byte>(gfns[which % std::size(gfns)]), base::page_size};
    }
    void look() {
        now += std::chrono::milliseconds(3);
        const std::size_t before = witness.taken;
        sysctl->on_event(now);
        const auto again = console->on_event(now);
        require(witness.taken - before <= noxs::ConsoleBackend::work_bound + sizeof(noxs::wire::ConsoleRing::out));
        require(!again || *again >= now);
        require(console->write_input(std::string_view("some input\n")) <= 11);
        require(console->log_text().bytes.size() <= 4096);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    base::set_log_level(base::Level::error);
    Guest guest;
    std::span<const std::uint8_t> input(data, std::min<std::size_t>(size, 4096));
    while (input.size() >= 4) {
        const auto target = guest.target(input[0] & 7U);
        const std::size_t offset = (input[1] | static_cast<std::size_t>(input[2]) << 8) % target.size();
        const std::size_t length = std::min({std::size_t{input[3]}, input.size() - 4, target.size() - offset});
        if ((input[0] & 0x80) != 0) {
            guest.make_console(noxs::ConsoleBackend::adopt);
        }
        std::memcpy(target.data() + offset, input.data() + 4, length);
        input = input.subspan(4 + length);
        guest.look();
    }
    guest.domain.die();
    guest.console->finish();
    static_cast<void>(guest.sysctl->final_state());
    return 0;
}
