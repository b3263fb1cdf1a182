// SPDX-License-Identifier: Apache-2.0
// What the plane does in its rounds.
#include <algorithm>
#include <limits>
#include <utility>

#include "noxs/plane/core.hpp"

namespace noxs {

void PlaneCore::on_ready(Epoll::Event event) {
    switch (event.source) {
        case Source::lane:
            if (Guest* guest = find(base::DomId(static_cast<std::uint16_t>(event.id)))) {
                on_ring(*guest, Clock::now());
            }
            return;
        case Source::uplink: switchboard_.on_readable(event.id); return;
        case Source::commands:
        case Source::blocks: return;  // looked at in each round
    }
}

void PlaneCore::on_ring(Guest& guest, Clock::time_point now) {
    guest.lane->take_ring();
    if (now - guest.window >= ring_window) {
        guest.window = now;
        guest.rings = 0;
    }
    if (++guest.rings > most_idle_rings) {
        silence(guest, "rings without end");
        return;
    }
    for (const auto& device : guest.devices) {
        scheduler_.activate(*device);
    }
}

void PlaneCore::silence(base::DomId domain, std::string why) {
    if (Guest* guest = find(domain)) {
        silence(*guest, std::move(why));
    }
}

void PlaneCore::silence(Guest& guest, std::string why) {
    epoll_->unwatch(guest.lane->doorbell());
    guest.unheard = std::move(why);
    for (const auto& device : guest.devices) {
        device->stop(*guest.unheard);
    }
}

bool PlaneCore::round(Clock::time_point now) {
    const bool more_frames = switchboard_.round(now);
    const bool moved = scheduler_.round(now);
    bool reaped = false;
    if (blocks_) {
        reaped = (*blocks_)->reap();
        submitted_ = (*blocks_)->submit();
    }
    if (reaped && (leaving_ > 0 || !leaving_guests_.empty())) {
        sweep();  // nothing else ends their requests
    }
    return more_frames || moved || reaped;
}

int PlaneCore::may_sleep(Clock::time_point now) const {
    if (!scheduler_.idle()) {
        return 0;
    }
    const int most = submitted_ ? -1 : 1;
    const auto due = scheduler_.next_due();
    if (!due) {
        return most;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - now).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, submitted_ ? std::numeric_limits<int>::max() : most));
}

}  // namespace noxs
