// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "chaos/daemon/methods.hpp"

namespace chaos {

namespace {

struct SubscribeParams {
    std::optional<std::uint64_t> since;
};

constexpr Field<SubscribeParams> subscribe_fields[] = {
    {"since", [](const Node& node, SubscribeParams& params) -> Result<void> {
         constexpr std::uint64_t exact_integers = std::uint64_t{1} << 53;
         BASE_ASSIGN(params.since, node.number(0, exact_integers));
         return {};
     }}};

Result<void> subscribe(const Call& call) {
    SubscribeParams params;
    BASE_TRY(read_object(call.params, subscribe_fields, params));
    EventLog& log = call.service.events();
    std::vector<const EventLog::Entry*> past;
    bool missed = false;
    if (params.since) {
        missed = log.replay(*params.since, [&](const EventLog::Entry& entry) { past.push_back(&entry); });
    }
    call.reply([&](json::Writer& writer) {
        writer.begin_object()
            .member("next", log.next())
            .member("replayed", past.size())
            .member("missed", missed)
            .end_object();
    });
    for (const EventLog::Entry* entry : past) {
        call.service.clients().notify(call.client.id, "event",
                                      [&](json::Writer& writer) { write_event(writer, *entry); });
    }
    call.client.subscribed = true;
    return {};
}

Result<void> unsubscribe(const Call& call) {
    if (!call.params.value().children.empty()) {
        return call.params.fail("expected no parameters");
    }
    call.client.subscribed = false;
    call.reply_empty();
    return {};
}

constexpr Method methods[] = {{"events.subscribe", subscribe}, {"events.unsubscribe", unsubscribe}};

}  // namespace

std::span<const Method> event_methods() {
    return methods;
}

}  // namespace chaos
