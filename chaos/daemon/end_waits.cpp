// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/end_waits.hpp"

#include <algorithm>
#include <utility>

namespace chaos {

void EndWaits::add(base::DomId domain, ClientId client, std::string request_id, std::chrono::milliseconds timeout) {
    waits_.push_back({domain, client, std::move(request_id), Clock::now() + timeout});
    host_.wake_at(waits_.back().deadline);
}

void EndWaits::on_end(const Ending& ending) {
    std::erase_if(waits_, [&](const Wait& wait) {
        if (wait.domain != ending.id) {
            return false;
        }
        clients_.reply(wait.client, wait.request_id, [&](json::Writer& writer) {
            writer.begin_object().member("id", ending.id.value).member("name", ending.name);
            ending.write_members(writer);
            writer.end_object();
        });
        return true;
    });
}

void EndWaits::client_gone(ClientId client) {
    std::erase_if(waits_, [&](const Wait& wait) { return wait.client == client; });
}

void EndWaits::expire(Clock::time_point now) {
    std::erase_if(waits_, [&](const Wait& wait) {
        if (wait.deadline > now) {
            return false;
        }
        clients_.fail(wait.client, wait.request_id,
                      {base::Code::timed_out, 0, "domain " + std::to_string(wait.domain.value) + " has not ended"});
        return true;
    });
}

std::optional<Clock::time_point> EndWaits::deadline() const {
    const auto first = std::min_element(waits_.begin(), waits_.end(),
                                        [](const Wait& a, const Wait& b) { return a.deadline < b.deadline; });
    return first == waits_.end() ? std::nullopt : std::optional(first->deadline);
}

}  // namespace chaos
