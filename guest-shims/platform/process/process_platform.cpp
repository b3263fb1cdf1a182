// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/process/process_platform.hpp"

#include "guest-shims/platform/event_page.hpp"
#include "guest-shims/platform/process/syscall.hpp"

namespace guest {

namespace abi = hypervisor::process::abi;

namespace {

static_assert(process_platform_id == abi::platform_id);
constexpr std::size_t entropy_chunk = 256;  // the most that one getrandom may ask for (process_abi.hpp)
constexpr long clock_realtime = 0;
constexpr long clock_monotonic = 1;

struct Timespec {
    std::int64_t seconds;
    std::int64_t nanoseconds;
};

long address(const void* p) {
    return reinterpret_cast<long>(p);
}

Nanoseconds read_clock(long clock) {
    Timespec now{};
    syscall4(abi::nr_clock_gettime, clock, address(&now));
    return {static_cast<std::uint64_t>(now.seconds) * ns_per_second + static_cast<std::uint64_t>(now.nanoseconds)};
}

class ProcessPlatform final : public EventPagePlatform {
 public:
    constexpr ProcessPlatform() = default;

    std::string_view name() const override { return "process"; }

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

    [[noreturn]] void shutdown(std::int32_t code) override {
        syscall4(abi::nr_exit_group, code);
        __builtin_trap();
    }

 private:
    void ring_doorbell(Doorbell which) override {
        const std::uint64_t one = 1;
        syscall4(abi::nr_write, which == Doorbell::data ? abi::data_doorbell_fd : abi::doorbell_fd, address(&one),
                 sizeof one);
    }
};

constinit ProcessPlatform platform;

}  // namespace

Platform& process_platform() {
    return platform;
}

}  // namespace guest
