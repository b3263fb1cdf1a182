// SPDX-License-Identifier: Apache-2.0
// Where a guest crashed, in the words of its own image.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hypervisor/hypervisor.hpp"

namespace split {

/// All of it is the guest's own tale: shown, and used for nothing else.
struct CrashReport {
    std::string function;              ///< "guest::run(guest::System&)+0x12"; empty: not known
    std::vector<std::string> callers;  ///< from the innermost on; a value left over on the stack may look like one
    std::string unnamed;               ///< why the function is not known

    /// The most words of the stack that are looked at for callers, and the most callers.
    static constexpr std::size_t stack_words = 64;
    static constexpr std::size_t max_callers = 8;
};

/// Looks at the file that a native guest was loaded from, and at the memory of the guest, which has ended. Names are
/// given only where the code of the file is the code in memory: the file may have been replaced since, and another
/// one's names would be wrong. Images with more code than `max_code_bytes` get none. Never fails; reads little.
CrashReport report_crash(hypervisor::Domain& domain, const hypervisor::Registers& registers, const std::string& kernel);
inline constexpr std::uint64_t max_code_bytes = 4 << 20;

/// `how` ("crashed: SIGSEGV at 0x0, ip 0x100123") with the function behind the instruction pointer.
std::string with_function(std::string how, std::uint64_t ip, std::string_view function);

/// "called from, perhaps: f+0x10, g+0x20", or why there is no name; empty: neither.
std::string callers_text(const CrashReport& report);

using NamedRegister = std::pair<std::string_view, std::uint64_t>;
std::array<NamedRegister, 18> named_registers(const hypervisor::Registers& registers);

/// "rip 0x100123 rsp 0x10fff8 ...".
std::string registers_text(const hypervisor::Registers& registers);

/// Keeps guests that crash without end from filling the log, and from taking the time of others with their symbols: at
/// most `most` reports in `window`.
class ReportLimit {
 public:
    static constexpr unsigned most = 10;
    static constexpr auto window = std::chrono::seconds(1);

    enum class Verdict : std::uint8_t { report, first_unreported, no_more };
    /// Counts a crash.
    Verdict count(std::chrono::steady_clock::time_point now);

 private:
    std::chrono::steady_clock::time_point begin_{};
    unsigned count_{0};
};

}  // namespace split
