// SPDX-License-Identifier: Apache-2.0
// What the process and the kvm driver share of a guest's side: event page and grant table (process_abi.hpp).
#pragma once

#include "guest-shims/platform/platform.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace guest {

static_assert(max_ports == hypervisor::process::abi::max_ports);

/// Makes `port` pending at the toolstack's end. Returns whether the doorbell has to be rung: a word that was not 0 was
/// announced before, and not yet looked at. A port out of range is ignored.
inline bool set_pending(hypervisor::process::abi::EventPage& page, base::EvtchnPort port) {
    if (port.value >= max_ports) {
        return false;
    }
    const std::uint64_t bit = std::uint64_t{1} << (port.value % 64);
    return __atomic_fetch_or(&page.to_host[port.value / 64], bit, __ATOMIC_SEQ_CST) == 0;
}

enum class Doorbell : std::uint8_t { control, data };

/// Which doorbell tells of `port`.
inline Doorbell doorbell_of(const hypervisor::process::abi::EventPage& page, base::EvtchnPort port) {
    const bool data = port.value >= hypervisor::process::abi::data_port && page.data_doorbell != 0;
    return data ? Doorbell::data : Doorbell::control;
}

/// Whether the toolstack has made a port pending that was not taken yet.
inline bool is_pending(const hypervisor::process::abi::EventPage& page) {
    return (__atomic_load_n(&page.to_guest[0], __ATOMIC_ACQUIRE) |
            __atomic_load_n(&page.to_guest[1], __ATOMIC_ACQUIRE)) != 0;
}

inline PortSet take_pending(hypervisor::process::abi::EventPage& page) {
    PortSet ports;
    for (unsigned i = 0; i < max_ports / 64; ++i) {
        auto& word = page.to_guest[i];
        if (__atomic_load_n(&word, __ATOMIC_RELAXED) != 0) {
            ports.words[i] = __atomic_exchange_n(&word, 0, __ATOMIC_ACQ_REL);
        }
    }
    return ports;
}

/// A platform whose event channels are the event page, and which differs in its calls. Holds no state of its own: what
/// is here may be called from every vCPU.
class EventPagePlatform : public Platform {
 public:
    void notify(base::EvtchnPort port) final {
        if (set_pending(event_page(), port)) {
            ring_doorbell(doorbell_of(event_page(), port));
        }
    }

    PortSet take_pending() final { return guest::take_pending(event_page()); }

    std::span<base::GrantEntryV1> grant_table() final {
        return {reinterpret_cast<base::GrantEntryV1*>(hypervisor::process::abi::grant_table_gpa),
                hypervisor::process::abi::grant_entries};
    }

 protected:
    constexpr EventPagePlatform() = default;
    ~EventPagePlatform() = default;

    static hypervisor::process::abi::EventPage& event_page() {
        return *reinterpret_cast<hypervisor::process::abi::EventPage*>(hypervisor::process::abi::event_page_gpa);
    }

 private:
    /// Tells the other side to look at `to_host`.
    virtual void ring_doorbell(Doorbell which) = 0;
};

}  // namespace guest
