// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/process/process_platform.hpp"

#include "guest-shims/platform/process/syscall.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace guest {

namespace abi = hypervisor::process::abi;

namespace {

static_assert(process_platform_id == abi::platform_id && max_ports == abi::max_ports);
constexpr std::uint64_t ns_per_second = 1'000'000'000;
constexpr std::size_t entropy_chunk = 256;  // the most that one getrandom may ask for (process_abi.hpp)
constexpr long clock_realtime = 0;
constexpr long clock_monotonic = 1;

struct Timespec {
    std::int64_t seconds;
    std::int64_t nanoseconds;
};

abi::EventPage& event_page() {
    return *reinterpret_cast<abi::EventPage*>(abi::event_page_gpa);
}

long address(const void* p) {
    return reinterpret_cast<long>(p);
}

Nanoseconds read_clock(long clock) {
    Timespec now{};
    syscall4(abi::nr_clock_gettime, clock, address(&now));
    return {static_cast<std::uint64_t>(now.seconds) * ns_per_second + static_cast<std::uint64_t>(now.nanoseconds)};
}

bool is_pending(const abi::EventPage& page) {
    return (__atomic_load_n(&page.to_guest[0], __ATOMIC_ACQUIRE) |
            __atomic_load_n(&page.to_guest[1], __ATOMIC_ACQUIRE)) != 0;
}

class ProcessPlatform final : public Platform {
 public:
    constexpr ProcessPlatform() = default;

    std::string_view name() const override { return "process"; }

    void notify(base::EvtchnPort port) override {
        if (port.value >= abi::max_ports) {
            return;
        }
        const std::uint64_t bit = std::uint64_t{1} << (port.value % 64);
        const std::uint64_t before = __atomic_fetch_or(&event_page().to_host[port.value / 64], bit, __ATOMIC_SEQ_CST);
        if (before == 0) {
            const std::uint64_t one = 1;
            syscall4(abi::nr_write, abi::doorbell_fd, address(&one), sizeof one);
        }
    }

    PortSet take_pending() override {
        PortSet ports;
        for (unsigned i = 0; i < 2; ++i) {
            auto& word = event_page().to_guest[i];
            if (__atomic_load_n(&word, __ATOMIC_RELAXED) != 0) {
                ports.words[i] = __atomic_exchange_n(&word, 0, __ATOMIC_ACQ_REL);
            }
        }
        return ports;
    }

    void wait(std::optional<Nanoseconds> timeout) override {
        auto& page = event_page();
        // `wake` is read before the pending bits: a notification after that makes the futex call return at once.
        const std::uint32_t seen = __atomic_load_n(&page.wake, __ATOMIC_ACQUIRE);
        __atomic_store_n(&page.blocked, 1, __ATOMIC_SEQ_CST);
        if (!is_pending(page)) {
            constexpr long futex_wait = 0;
            Timespec time{};
            if (timeout) {
                time.seconds = static_cast<std::int64_t>(timeout->value / ns_per_second);
                time.nanoseconds = static_cast<std::int64_t>(timeout->value % ns_per_second);
            }
            syscall4(abi::nr_futex, address(&page.wake), futex_wait, static_cast<long>(seen),
                     timeout ? address(&time) : 0);
        }
        __atomic_store_n(&page.blocked, 0, __ATOMIC_RELEASE);
    }

    Nanoseconds monotonic() const override { return read_clock(clock_monotonic); }

    Nanoseconds wall_clock() const override { return read_clock(clock_realtime); }

    void entropy(std::span<std::byte> out) override {
        while (!out.empty()) {
            const std::size_t want = out.size() < entropy_chunk ? out.size() : entropy_chunk;
            const long got = syscall4(abi::nr_getrandom, address(out.data()), static_cast<long>(want), 0);
            if (got > 0) {
                out = out.subspan(static_cast<std::size_t>(got));
            }
        }
    }

    std::span<base::GrantEntryV1> grant_table() override {
        return {reinterpret_cast<base::GrantEntryV1*>(abi::grant_table_gpa), abi::grant_entries};
    }

    [[noreturn]] void shutdown(std::int32_t code) override {
        syscall4(abi::nr_exit_group, code);
        __builtin_trap();
    }
};

constinit ProcessPlatform platform;

}  // namespace

Platform& process_platform() {
    return platform;
}

}  // namespace guest
