// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/hypervisor.hpp"

#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

namespace hypervisor {

std::string_view kind_name(DeathKind kind) noexcept {
    switch (kind) {
        case DeathKind::exited: return "exited";
        case DeathKind::crashed: return "crashed";
        case DeathKind::forbidden_call: return "forbidden_call";
        case DeathKind::out_of_memory: return "out_of_memory";
        case DeathKind::killed: return "killed";
        case DeathKind::destroyed: return "destroyed";
        case DeathKind::rebooted: return "rebooted";
    }
    return "unknown";
}

namespace {

std::string signal_name(std::int32_t signal) {
    const char* abbreviation = ::sigabbrev_np(signal);
    return abbreviation != nullptr ? "SIG" + std::string(abbreviation) : "signal " + std::to_string(signal);
}

std::string hex(std::uint64_t value) {
    std::array<char, 24> text;
    std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
    return text.data();
}

std::string describe_crash(const Death& death) {
    if (!death.cause.empty()) {
        return "crashed: " + death.cause + (death.registers ? ", at ip " + hex(death.ip) : "");
    }
    if (death.signal == 0) {  // a real machine has no signals: the vCPU's last state is all there is
        if (death.ip == 0 && !death.registers) {
            return "crashed: it gave up";
        }
        // 0 is also what the register holds before the first page fault.
        return "crashed at ip " + hex(death.ip) + ", last page fault at " + hex(death.address) +
               (death.address == 0 ? " or none" : "");
    }
    std::string text = "crashed: " + signal_name(death.signal);
    if (death.ip == 0 && !death.registers) {
        return text + " (its state could not be read)";
    }
    return text + " at " + hex(death.address) + ", ip " + hex(death.ip);
}

}  // namespace

std::string describe(const Death& death) {
    switch (death.kind) {
        case DeathKind::exited: return "exited with code " + std::to_string(death.code);
        case DeathKind::crashed: return describe_crash(death);
        case DeathKind::forbidden_call:
            return "killed: it made a system call that its confinement forbids" +
                   (death.cause.empty() ? "" : ", " + death.cause + " at ip " + hex(death.ip));
        case DeathKind::out_of_memory: return "killed: the host ran out of memory";
        case DeathKind::killed:
            return "killed " + (death.signal == 0 ? "" : "by " + signal_name(death.signal) + " ") +
                   "from outside the toolstack";
        case DeathKind::destroyed: return "destroyed";
        case DeathKind::rebooted: return "rebooted";
    }
    return "ended";
}

/// MemAvailable: sysinfo(2) knows nothing of what the page cache would give back.
Result<HostInfo> Hypervisor::host_info() const {
    std::ifstream meminfo("/proc/meminfo");
    HostInfo info;
    std::string key;
    std::uint64_t kib = 0;
    for (std::string line; std::getline(meminfo, line);) {
        std::istringstream words(line);
        if (words >> key >> kib && key == "MemTotal:") {
            info.total_memory = base::kib(kib);
        } else if (words && key == "MemAvailable:") {
            info.free_memory = base::kib(kib);
        }
    }
    if (info.total_memory.value == 0) {
        return base::fail(base::Code::unavailable, "/proc/meminfo can't be read");
    }
    return info;
}

}  // namespace hypervisor
