// SPDX-License-Identifier: Apache-2.0
// What is told of a machine that came to its end, or never ran.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "hypervisor/hypervisor.hpp"
#include "hypervisor/kvm/hv/monitor_state.hpp"
#include "hypervisor/kvm/hv/page_tables.hpp"
#include "hypervisor/kvm/hv/virtual_machine.hpp"

namespace hypervisor::kvm {

namespace {

StopRecord read_stop(const process::Remains& remains) {
    StopRecord stop{};
    const auto at = state_offset(remains.shape.memory) + offsetof(MonitorState, stop);
    if (::pread(remains.memory_fd, &stop, sizeof stop, static_cast<off_t>(at)) != sizeof stop) {
        stop = {};
    }
    return stop;
}

/// What a stop says beside the registers. Empty: a fault of the guest's, whose registers say all.
std::string words(const StopRecord& stop) {
    switch (stop.why) {
        case Stop::none: return {};
        case Stop::shutdown:
            return stop.registers.rflags != 0 ? "" : "a fault, of which KVM on this processor keeps no registers";
        case Stop::port: return "it used port " + std::to_string(stop.detail) + " in a way that it may not";
        case Stop::memory: return "the host has no memory for a page";
        case Stop::failed: return std::string("KVM_RUN failed: ") + std::strerror(static_cast<int>(stop.detail));
        case Stop::exit: break;
    }
    return "KVM_RUN came back with exit reason " + std::to_string(stop.detail) + " (linux/kvm.h)";
}

}  // namespace

std::string VirtualMachine::note() const {
    return host_.constant_tsc ? ""
                              : "the processor does not promise that its time stamp counter is constant: clocks of "
                                "guests may be wrong";
}

std::string VirtualMachine::explain_setup(const process::Remains& remains) const {
    const auto stop = read_stop(remains);
    if (stop.why == Stop::none && remains.status != exit_first_run) {
        return DomainKind::explain_setup(remains);
    }
    const auto what = stop.why == Stop::shutdown ? std::string() : words(stop);
    return "KVM does not run guests here: " +
           (what.empty() ? "the first instructions do not do what they should" : what);
}

process::Ending VirtualMachine::ending_of(const process::Remains& remains) const {
    const auto ended = [](DeathKind kind, int code, int signal) {
        return process::Ending{{static_cast<std::uint32_t>(kind), code, signal, 1, 0, {}}};
    };
    if (remains.how != CLD_EXITED) {  // the monitor itself: it has no bug that we know of
        return ended(remains.status == SIGSYS ? DeathKind::forbidden_call : DeathKind::killed, 0, remains.status);
    }
    const auto stop = read_stop(remains);
    if (stop.why == Stop::none) {
        return ended(DeathKind::exited, remains.status, 0);
    }
    auto ending = ended(stop.why == Stop::memory ? DeathKind::out_of_memory : DeathKind::crashed, 0, 0);
    ending.record.address = stop.address;
    ending.record.registers = stop.registers;
    ending.cause = words(stop);
    return ending;
}

}  // namespace hypervisor::kvm
