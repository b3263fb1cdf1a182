// SPDX-License-Identifier: Apache-2.0
// Starts every vCPU it has, shares work between them, says what came out, and powers off. Command line:
//   wait=1    idles after that, until asked to power off
//   busy=1    computes for ever after that, on every vCPU
//   tick=1    waits a millisecond after that, again and again, and tells the time now and then
//   crash=1   every other vCPU crashes when its work is done, in the end the first one too
#include <atomic>

#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/guests/fault_memory.hpp"
#include "guest-shims/runtime/cmdline.hpp"

namespace guest {

namespace {

/// The work: the sum of 1 to `last`, taken in pieces.
constexpr std::uint64_t last = 1'000'000;
constexpr std::uint64_t piece = 1000;
static_assert(last % piece == 0);

constexpr std::size_t stack_size = 16 * 1024;
constexpr Nanoseconds poll_interval{1'000'000};
constexpr std::uint64_t patience = 60 * ns_per_second;
constexpr unsigned ticks_a_line = 10;

constexpr std::int32_t exit_not_started = 1;
constexpr std::int32_t exit_not_reported = 2;
constexpr std::int32_t exit_wrong_sum = 3;

struct Work {
    System& system;
    std::atomic<std::uint64_t> next{0};
    std::atomic<std::uint64_t> sum{0};
    std::atomic<unsigned> reported{0};
};

void take_part(Work& work) {
    for (;;) {
        const std::uint64_t from = work.next.fetch_add(piece, std::memory_order_relaxed);
        if (from >= last) {
            break;
        }
        std::uint64_t part = 0;
        for (std::uint64_t i = from + 1; i <= from + piece; ++i) {
            part += i;
        }
        work.sum.fetch_add(part, std::memory_order_relaxed);
    }
    work.reported.fetch_add(1, std::memory_order_release);
}

bool is_asked(System& system, std::string_view what) {
    return number_option(system.cmdline(), what) == 1;
}

[[noreturn]] void compute_for_ever() {
    for (;;) {
        __builtin_ia32_pause();
    }
}

void further_vcpu(void* argument) {
    auto& work = *static_cast<Work*>(argument);
    take_part(work);
    if (is_asked(work.system, "crash")) {
        wild_read(work.system);
    }
    if (is_asked(work.system, "busy")) {
        compute_for_ever();
    }
    for (;;) {
        work.system.platform().wait(std::nullopt);
    }
}

[[noreturn]] void tick(System& system, Console& console) {
    for (std::uint64_t ticks = 1;; ++ticks) {
        system.wait(poll_interval);
        if (ticks % ticks_a_line == 0) {
            console.print("smp: tick {} at {} us\n", ticks, system.platform().monotonic().value / 1000);
        }
    }
}

/// What the first vCPU does when all work is done; returns where nothing is asked for.
void go_on(System& system, Console& console) {
    if (is_asked(system, "crash")) {
        wild_read(system);
    }
    if (is_asked(system, "busy")) {
        compute_for_ever();
    }
    if (is_asked(system, "tick")) {
        tick(system, console);
    }
    while (is_asked(system, "wait")) {
        system.wait();
    }
}

/// Waits until `count` vCPUs have reported. Returns false where they do not.
bool wait_for_all(System& system, const Work& work, unsigned count) {
    const std::uint64_t begin = system.platform().monotonic().value;
    while (work.reported.load(std::memory_order_acquire) != count) {
        if (system.platform().monotonic().value - begin > patience) {
            return false;
        }
        system.wait(poll_interval);
    }
    return true;
}

}  // namespace

std::int32_t run(System& system) {
    system.ready();
    Console console(system);
    Platform& platform = system.platform();
    const unsigned vcpus = platform.vcpus();
    Work work{system};
    for (unsigned index = 1; index < vcpus; ++index) {
        auto* stack = static_cast<std::byte*>(system.allocate(stack_size));
        if (!platform.start_vcpu(index, further_vcpu, &work, stack + stack_size)) {
            console.print("smp: vCPU {} does not start\n", index);
            return exit_not_started;
        }
    }
    take_part(work);
    if (!wait_for_all(system, work, vcpus)) {
        console.print("smp: {} of {} vCPUs reported\n", work.reported.load(), vcpus);
        return exit_not_reported;
    }
    console.print("smp: {} vCPUs, sum {}\n", vcpus, work.sum.load());
    go_on(system, console);
    return work.sum.load() == last * (last + 1) / 2 ? 0 : exit_wrong_sum;
}

}  // namespace guest
