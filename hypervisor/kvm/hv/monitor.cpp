// SPDX-License-Identifier: Apache-2.0
// What stays in the process of a kvm domain: it confines itself, runs the vCPUs, one thread each, and serves their few
// ports. Freestanding, without memory of its own but MonitorState and its stacks. Everything it shares with the guest
// is hostile: the event page is written, and read only where any value will do.
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>

#include "hypervisor/kvm/hv/monitor_calls.hpp"
#include "hypervisor/kvm/hv/monitor_state.hpp"

namespace hypervisor::kvm {

namespace {

MonitorState& state() {
    return *reinterpret_cast<MonitorState*>(state_at);
}

abi::EventPage& event_page() {
    return *reinterpret_cast<abi::EventPage*>(guest_at + abi::event_page_gpa);
}

abi::MachinePage& machine_page() {
    return *reinterpret_cast<abi::MachinePage*>(guest_at + abi::machine_page_gpa);
}

const kvm_run& run_of(unsigned vcpu) {
    return *reinterpret_cast<const kvm_run*>(runs_at + std::uint64_t{vcpu} * state().run_size);
}

int vcpu_fd(unsigned vcpu) {
    return first_vcpu_fd + static_cast<int>(vcpu);
}

template <class T>
T load(const T& word) {
    return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}

template <class T>
void store(T& word, T value) {
    __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

void futex_wait(const std::uint32_t& word, std::uint32_t seen, const Timespec* timeout = nullptr) {
    call(nr::futex, &word, FUTEX_WAIT, seen, timeout);
}

void futex_wake(const std::uint32_t& word) {
    constexpr int everybody = 0x7fffffff;
    call(nr::futex, &word, FUTEX_WAKE, everybody);
}

[[noreturn]] void exit_process(int code) {
    call(nr::exit_group, code);
    __builtin_trap();
}

/// Leaves the record that chaos-hv reads, and ends the domain. The first vCPU that comes here is the one that is told
/// of.
[[noreturn]] void stop(unsigned vcpu, Stop why, std::uint32_t detail = 0) {
    while (__atomic_exchange_n(&state().stopping, 1U, __ATOMIC_SEQ_CST) != 0) {
        futex_wait(state().stopping, 1);
    }
    kvm_regs r{};
    kvm_sregs s{};
    call(nr::ioctl, vcpu_fd(vcpu), KVM_GET_REGS, &r);
    call(nr::ioctl, vcpu_fd(vcpu), KVM_GET_SREGS, &s);
    auto& record = state().stop;
    // AMD's processors lose the state in a shutdown; KVM resets the vCPU then (arch/x86/kvm/svm/svm.c:
    // shutdown_interception), and paging is off.
    constexpr std::uint64_t paging = std::uint64_t{1} << 31;
    if ((s.cr0 & paging) != 0) {
        record.registers = {r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi,
                            r.rsi, r.rbp, r.rbx, r.rdx, r.rax, r.rcx, r.rsp, r.rip, r.rflags};
        record.address = s.cr2;
    }
    record.detail = detail;
    record.why = why;
    exit_process(exit_stopped);
}

/// Lets the guest run until it writes a port; the bell KVM rings by itself, strings of them too. Returns the port;
/// `value` is what it wrote.
std::uint16_t run_until_port(unsigned vcpu, std::uint32_t& value) {
    const kvm_run& run = run_of(vcpu);
    for (;;) {
        const long result = call(nr::ioctl, vcpu_fd(vcpu), KVM_RUN, 0);
        if (result == -error_interrupted) {
            continue;  // paused and let go again
        }
        if (result < 0) {
            const bool starved = result == -error_bad_address || result == -error_no_memory;
            stop(vcpu, starved ? Stop::memory : Stop::failed, static_cast<std::uint32_t>(-result));
        }
        if (run.exit_reason != KVM_EXIT_IO) {
            stop(vcpu, run.exit_reason == KVM_EXIT_SHUTDOWN ? Stop::shutdown : Stop::exit, run.exit_reason);
        }
        if (run.io.direction != KVM_EXIT_IO_OUT || run.io.size != sizeof value || run.io.count == 0) {
            stop(vcpu, Stop::port, run.io.port);
        }
        value = *reinterpret_cast<const std::uint32_t*>(reinterpret_cast<const char*>(&run) + run.io.data_offset);
        return run.io.port;
    }
}

/// "blocked" in lists: every vCPU that was started waits. What stands there in the end is what is so in the end,
/// whoever writes it.
void tell_blocked() {
    bool blocked = false;
    do {
        blocked = load(state().waiting) == load(state().started);
        store(event_page().blocked, std::uint32_t{blocked});
    } while (blocked != (load(state().waiting) == load(state().started)));
}

bool is_pending(const abi::EventPage& page) {
    return (load(page.to_guest[0]) | load(page.to_guest[1])) != 0;
}

void wait_for_event(std::uint32_t microseconds) {
    auto& page = event_page();
    // `wake` is read before the pending bits: a notification after that makes the futex call return at once.
    const std::uint32_t seen = load(page.wake);
    __atomic_add_fetch(&state().waiting, 1, __ATOMIC_SEQ_CST);
    tell_blocked();
    if (!is_pending(page)) {
        constexpr std::uint32_t per_second = 1'000'000;
        const Timespec timeout{microseconds / per_second, microseconds % per_second * 1000};
        futex_wait(page.wake, seen, microseconds == abi::wait_forever ? nullptr : &timeout);
    }
    __atomic_sub_fetch(&state().waiting, 1, __ATOMIC_SEQ_CST);
    tell_blocked();
}

void start_vcpu(std::uint32_t vcpu) {
    if (vcpu == 0 || vcpu >= state().vcpus) {
        return;
    }
    auto parked = go_warm_up;
    if (__atomic_compare_exchange_n(&state().go[vcpu], &parked, go_run, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        __atomic_add_fetch(&state().started, 1, __ATOMIC_SEQ_CST);
        futex_wake(state().go[vcpu]);
    }
}

/// Hot: a launch goes through it.
[[noreturn]] void run_guest(unsigned vcpu) {
    for (;;) {
        std::uint32_t value = 0;
        const auto port = run_until_port(vcpu, value);
        switch (port) {
            case abi::port_wait: wait_for_event(value); break;
            case abi::port_entropy:
                call(nr::getrandom, machine_page().entropy, sizeof machine_page().entropy, 0);
                break;
            case abi::port_start_vcpu: start_vcpu(value); break;
            case abi::port_shutdown: exit_process(static_cast<int>(value & 0xff));
            default: stop(vcpu, Stop::port, port);
        }
    }
}

/// Into the stub. This is also what shows that KVM runs guests here.
void run_until_parked(unsigned vcpu) {
    std::uint32_t value = 0;
    if (run_until_port(vcpu, value) != abi::port_park) {
        exit_process(exit_first_run);
    }
}

std::uint64_t nanoseconds(int clock) {
    constexpr std::uint64_t per_second = 1'000'000'000;
    Timespec now{};
    call(nr::clock_gettime, clock, &now);
    return static_cast<std::uint64_t>(now.seconds) * per_second + static_cast<std::uint64_t>(now.nanoseconds);
}

/// Hot. The stub notes the counter that belongs to it.
void set_clock() {
    constexpr int realtime = 0;
    constexpr int monotonic = 1;
    auto& page = machine_page();
    const auto now = nanoseconds(monotonic);
    page.time.system_time = now;
    page.wall_base = nanoseconds(realtime) - now;
}

void confine(std::uint64_t unmap_from, std::uint64_t unmap_size) {
    if (call(nr::munmap, unmap_from, unmap_size) != 0) {
        exit_process(exit_unmap);
    }
    struct {
        std::uint64_t count, filter;
    } const program{state().filter_count, state().filter};  // struct sock_fprog
    if (call(nr::seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
        exit_process(exit_filter);
    }
}

/// Sleeps until all threads but the first have been counted.
void await_others(const std::uint32_t& count) {
    for (std::uint32_t seen = 0; (seen = load(count)) != state().vcpus - 1;) {
        futex_wait(count, seen);
    }
}

void count_me(std::uint32_t& count) {
    __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    futex_wake(count);
}

void warm_up_others() {
    const std::uint32_t others = state().vcpus - 1;
    for (unsigned vcpu = 1; vcpu <= others; ++vcpu) {
        store(state().go[vcpu], go_warm_up);
        futex_wake(state().go[vcpu]);
    }
    await_others(state().warmed_up);
}

void await_launch() {
    auto& page = event_page();
    for (;;) {
        const std::uint32_t seen = load(page.wake);
        if (load(page.boot) == abi::boot_go) {
            return;
        }
        futex_wait(page.wake, seen);
    }
}

}  // namespace

extern "C" {

/// The first thread; everything above `unmap_from` is chaos-hv's.
[[noreturn]] void monitor_main(std::uint64_t unmap_from, std::uint64_t unmap_size) {
    await_others(state().arrived);
    confine(unmap_from, unmap_size);
    run_until_parked(0);
    warm_up_others();
    const std::uint64_t one = 1;
    call(nr::write, abi::doorbell_fd, &one, sizeof one);  // tells chaos-hv: parked and confined
    await_launch();
    set_clock();
    store(state().started, std::uint32_t{1});
    run_guest(0);
}

/// Every other thread; confined by the first.
[[noreturn]] void monitor_vcpu(unsigned vcpu) {
    count_me(state().arrived);
    auto& go = state().go[vcpu];
    while (load(go) == go_not) {
        futex_wait(go, go_not);
    }
    run_until_parked(vcpu);
    count_me(state().warmed_up);
    while (load(go) == go_warm_up) {
        futex_wait(go, go_warm_up);
    }
    run_guest(vcpu);
}
}

}  // namespace hypervisor::kvm
