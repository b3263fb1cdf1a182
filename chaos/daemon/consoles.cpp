// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/consoles.hpp"

#include <algorithm>
#include <utility>

#include "chaos/rpc/base64.hpp"

namespace chaos {

void Consoles::attach(base::DomId domain, ClientId client) {
    std::vector<ClientId>& clients = attached_[domain.value];
    if (std::find(clients.begin(), clients.end(), client) == clients.end()) {
        clients.push_back(client);
    }
}

bool Consoles::detach(base::DomId domain, ClientId client) {
    const auto found = attached_.find(domain.value);
    const bool was = found != attached_.end() && std::erase(found->second, client) > 0;
    if (was && found->second.empty()) {
        attached_.erase(found);
    }
    return was;
}

void Consoles::client_gone(ClientId client) {
    for (auto entry = attached_.begin(); entry != attached_.end();) {
        std::erase(entry->second, client);
        entry = entry->second.empty() ? attached_.erase(entry) : std::next(entry);
    }
}

void Consoles::output(base::DomId domain, std::uint64_t offset, std::string_view bytes) {
    if (attached_.empty()) {
        return;
    }
    if (const auto found = attached_.find(domain.value); found != attached_.end()) {
        for (const ClientId client : found->second) {
            history(domain, client, offset, bytes);
        }
    }
}

void Consoles::history(base::DomId domain, ClientId client, std::uint64_t offset, std::string_view bytes) {
    clients_.notify(client, "console.output", [&](json::Writer& writer) {
        writer.begin_object().member("id", domain.value).member("offset", offset);
        rpc::write_bytes(writer, bytes);
        writer.end_object();
    });
}

void Consoles::close(const Ending& ending, base::DomId successor) {
    if (auto node = attached_.extract(ending.id.value)) {
        for (const ClientId client : node.mapped()) {
            tell_closed(client, ending, successor);
        }
    }
}

void Consoles::tell_closed(ClientId client, const Ending& ending, base::DomId successor) {
    clients_.notify(client, "console.closed", [&](json::Writer& writer) {
        writer.begin_object().member("id", ending.id.value).member("name", ending.name);
        ending.write_members(writer);
        if (successor != base::dom0) {
            writer.member("new_id", successor.value);
        }
        writer.end_object();
    });
}

}  // namespace chaos
