// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/neighbours.hpp"

namespace guest {

Neighbours::Known Neighbours::find(std::uint32_t address, Nanoseconds now, Mac& mac) const {
    const Entry& entry = entries_[place_of(address)];
    if (entry.address != address || address == 0 || now.value - entry.since > usable) {
        return Known::no;
    }
    __builtin_memcpy(mac, entry.mac, sizeof mac);
    return now.value - entry.since > fresh ? Known::ask_again : Known::yes;
}

void Neighbours::learn(std::uint32_t address, const Mac& mac, Nanoseconds now) {
    Entry& entry = entries_[place_of(address)];
    entry.address = address;
    __builtin_memcpy(entry.mac, mac, sizeof entry.mac);
    entry.since = now.value;
}

}  // namespace guest
