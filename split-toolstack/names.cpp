// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/names.hpp"

#include <algorithm>
#include <cstdint>

#include "split-toolstack/timing.hpp"
#include "split-toolstack/toolstack.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

constexpr std::size_t max_name = 63;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_name_character(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
}

/// Length of the UTF-8 sequence that begins with `lead`; 0: none does.
std::size_t sequence_length(unsigned char lead) {
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead < 0xe0) {
        return 2;
    }
    if (lead >= 0xe0 && lead < 0xf0) {
        return 3;
    }
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/// Overlong forms, surrogates and what is beyond U+10FFFF show in the second byte (Unicode, table 3-7).
bool second_byte_fits(unsigned char lead, unsigned char second) {
    switch (lead) {
        case 0xe0: return second >= 0xa0;
        case 0xed: return second < 0xa0;
        case 0xf0: return second >= 0x90;
        case 0xf4: return second < 0x90;
        default: return true;
    }
}

}  // namespace

bool is_number(std::string_view name) noexcept {
    return !name.empty() && std::ranges::all_of(name, is_digit);
}

Result<void> check_name(std::string_view name) {
    if (name.empty() || name.size() > max_name) {
        return base::fail(base::Code::invalid_argument,
                          words("a name of ", name.size(), " characters, expected 1 to ", max_name));
    }
    if (!std::ranges::all_of(name, is_name_character)) {
        return base::fail(base::Code::invalid_argument, "a name may have letters, digits, '.', '_' and '-' only");
    }
    if (is_number(name)) {
        return base::fail(base::Code::invalid_argument,
                          words("name '", name, "' is a number, and numbers are domain ids: add a letter"));
    }
    return {};
}

bool is_clean_text(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size()) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t length = sequence_length(lead);
        if (lead == 0 || length == 0 || length > text.size() - at) {
            return false;
        }
        for (std::size_t i = 1; i < length; ++i) {
            const auto next = static_cast<unsigned char>(text[at + i]);
            if ((next & 0xc0) != 0x80 || (i == 1 && !second_byte_fits(lead, next))) {
                return false;
            }
        }
        at += length;
    }
    return true;
}

std::string_view action_name(EndAction action) noexcept {
    switch (action) {
        case EndAction::destroy: return "destroy";
        case EndAction::restart: return "restart";
        case EndAction::preserve: return "preserve";
    }
    return "destroy";
}

std::optional<EndAction> action_from_name(std::string_view name) noexcept {
    for (const auto action : {EndAction::destroy, EndAction::restart, EndAction::preserve}) {
        if (action_name(action) == name) {
            return action;
        }
    }
    return std::nullopt;
}

std::string free_vdev(const std::vector<VbdConfig>& disks) {
    constexpr std::size_t letters = 26;
    for (std::size_t i = 0;; ++i) {
        std::string name = "xvd";
        if (i >= letters) {
            name += static_cast<char>('a' + i / letters - 1);
        }
        name += static_cast<char>('a' + i % letters);
        if (std::ranges::find(disks, name, &VbdConfig::vdev) == disks.end()) {
            return name;
        }
    }
}

std::string_view kind_name(hypervisor::GuestKind kind) noexcept {
    switch (kind) {
        case hypervisor::GuestKind::native: return "native";
        case hypervisor::GuestKind::pvh: return "pvh";
        case hypervisor::GuestKind::pv: return "pv";
    }
    return "native";
}

std::optional<hypervisor::GuestKind> kind_from_name(std::string_view name) noexcept {
    using hypervisor::GuestKind;
    for (const auto kind : {GuestKind::native, GuestKind::pvh, GuestKind::pv}) {
        if (kind_name(kind) == name) {
            return kind;
        }
    }
    return std::nullopt;
}

std::string_view state_name(State state) noexcept {
    switch (state) {
        case State::paused: return "paused";
        case State::running: return "running";
        case State::blocked: return "blocked";
        case State::shutdown: return "shutdown";
        case State::crashed: return "crashed";
    }
    return "crashed";
}

std::string_view event_name(EventKind kind) noexcept {
    switch (kind) {
        case EventKind::created: return "created";
        case EventKind::ready: return "ready";
        case EventKind::paused: return "paused";
        case EventKind::unpaused: return "unpaused";
        case EventKind::shutdown: return "shutdown";
        case EventKind::crashed: return "crashed";
        case EventKind::rebooted: return "rebooted";
        case EventKind::renamed: return "renamed";
        case EventKind::destroyed: return "destroyed";
        case EventKind::adopted: return "adopted";
        case EventKind::lost: return "lost";
        case EventKind::attached: return "attached";
        case EventKind::detached: return "detached";
        case EventKind::device_stopped: return "device_stopped";
    }
    return "lost";
}

std::string_view phase_name(Phase phase) noexcept {
    switch (phase) {
        case Phase::reserve: return "reserve";
        case Phase::channels: return "channels";
        case Phase::noxs_pages: return "noxs_pages";
        case Phase::park: return "park";
        case Phase::parse: return "parse";
        case Phase::claim: return "claim";
        case Phase::record: return "record";
        case Phase::image: return "image";
        case Phase::devices: return "devices";
        case Phase::boot: return "boot";
        case Phase::ready: return "ready";
    }
    return "ready";
}

}  // namespace split
