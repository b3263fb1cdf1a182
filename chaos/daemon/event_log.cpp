// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/event_log.hpp"

#include <utility>

#include "noxs/backends.hpp"

namespace chaos {

const EventLog::Entry& EventLog::add(split::Event event, std::int64_t unix_ms) {
    if (entries_.size() >= capacity_) {
        entries_.pop_front();
        dropped_ = true;
    }
    return entries_.emplace_back(Entry{next_++, unix_ms, std::move(event)});
}

void write_event(json::Writer& writer, const EventLog::Entry& entry) {
    writer.begin_object()
        .member("seq", entry.sequence)
        .member("time_unix_ms", entry.unix_ms)
        .member("event", split::event_name(entry.event.kind))
        .member("id", entry.event.domain.value)
        .member("name", entry.event.name);
    if (!entry.event.detail.empty()) {
        writer.member("detail", entry.event.detail);
    }
    if (entry.event.kind == split::EventKind::shutdown) {
        writer.member("exit_code", entry.event.code);
    }
    if (entry.event.device != noxs::wire::DeviceType::none) {
        writer.key("device")
            .begin_object()
            .member("type", noxs::type_name(entry.event.device))
            .member("id", entry.event.device_id)
            .end_object();
    }
    if (entry.event.kind == split::EventKind::detached) {
        writer.member("forced", entry.event.forced);
    }
    writer.end_object();
}

}  // namespace chaos
