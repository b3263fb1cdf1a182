// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/ending.hpp"

#include "split-toolstack/words.hpp"

namespace split {

namespace {

using hypervisor::DeathKind;
using noxs::wire::ShutdownReason;

std::string with_code(std::string_view text, std::int32_t code) {
    return code == 0 ? std::string(text) : words(text, ", exit code ", code);
}

/// The driver saw an orderly exit: the guest's own words count.
Ending judge_words(std::int32_t driver_code, const noxs::FinalState& last_words) {
    const std::int32_t code = last_words.exit_code != 0 ? last_words.exit_code : driver_code;
    switch (last_words.reason) {
        case ShutdownReason::none: return {EndKind::poweroff, State::shutdown, code, words("exited with code ", code)};
        case ShutdownReason::power_off:
            return {EndKind::poweroff, State::shutdown, code, with_code("powered off", code)};
        case ShutdownReason::reboot: return {EndKind::reboot, State::shutdown, code, with_code("rebooted", code)};
        case ShutdownReason::suspend:
            return {EndKind::poweroff, State::shutdown, code, with_code("suspended itself: ended", code)};
        case ShutdownReason::crash: return {EndKind::crash, State::crashed, code, with_code("the guest gave up", code)};
        case ShutdownReason::out_of_memory: return {EndKind::crash, State::crashed, code, "out of memory"};
    }
    return {
        EndKind::poweroff, State::shutdown, code,
        words("ended for an unknown reason (", static_cast<std::uint32_t>(last_words.reason), "), exit code ", code)};
}

}  // namespace

Ending judge(const hypervisor::Death& death, const noxs::FinalState& last_words) {
    switch (death.kind) {
        case DeathKind::exited: return judge_words(death.code, last_words);
        case DeathKind::rebooted: {
            const std::int32_t code = last_words.exit_code != 0 ? last_words.exit_code : death.code;
            return {EndKind::reboot, State::shutdown, code, with_code("rebooted", code)};
        }
        case DeathKind::destroyed: return {EndKind::poweroff, State::shutdown, 0, hypervisor::describe(death)};
        case DeathKind::crashed:
        case DeathKind::forbidden_call:
        case DeathKind::out_of_memory:
        case DeathKind::killed: break;
    }
    const bool starved = last_words.reason == ShutdownReason::out_of_memory;
    return {EndKind::crash, State::crashed, death.code,
            starved ? words("out of memory (", hypervisor::describe(death), ")") : hypervisor::describe(death)};
}

EndAction action_for(const VmConfig& config, EndKind kind) {
    switch (kind) {
        case EndKind::poweroff: return config.on_poweroff;
        case EndKind::reboot: return config.on_reboot;
        case EndKind::crash: return config.on_crash;
    }
    return EndAction::destroy;
}

bool RestartLimit::allow(Clock::time_point now) {
    if (now - begin_ > window) {
        begin_ = now;
        count_ = 0;
    }
    return ++count_ <= most;
}

}  // namespace split
