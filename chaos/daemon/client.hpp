// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "chaos/rpc/message.hpp"
#include "chaos/rpc/output_queue.hpp"

namespace chaos {

using ClientId = std::uint64_t;

/// One connection as the methods see it.
class Client {
 public:
    virtual ~Client() = default;
    /// Sends complete lines, or keeps them until the peer reads. Never blocks; never ends the object at once.
    virtual void send(std::string_view lines, rpc::Kind kind) = 0;

    ClientId id{0};
    bool subscribed{false};     ///< wants events
    bool other_version{false};  ///< said hello with another API version: is served no more
};

/// Who is connected. What finishes later holds a ClientId and finds out here whether anybody still waits for it.
class Clients {
 public:
    void add(Client& client) {
        client.id = ++last_id_;
        clients_.emplace(client.id, &client);
    }
    void remove(const Client& client) { clients_.erase(client.id); }
    bool has(ClientId id) const { return clients_.contains(id); }
    std::size_t size() const { return clients_.size(); }

    /// Replies to the request `request_id` of client `id`. No request id, or nobody there: nothing happens.
    template <class Fill>
    void reply(ClientId id, std::string_view request_id, Fill&& fill) {
        if (request_id.empty()) {
            return;
        }
        line_.clear();
        rpc::append_result(line_, request_id, std::forward<Fill>(fill));
        send(id, line_, rpc::Kind::reply);
    }

    void fail(ClientId id, std::string_view request_id, const base::Error& error, std::string_view extra = {}) {
        if (request_id.empty()) {
            return;
        }
        line_.clear();
        rpc::append_error(line_, rpc::failure_of(error, request_id), extra);
        send(id, line_, rpc::Kind::reply);
    }

    template <class Fill>
    void notify(ClientId id, std::string_view method, Fill&& fill) {
        line_.clear();
        rpc::append_notification(line_, method, std::forward<Fill>(fill));
        send(id, line_, rpc::Kind::notification);
    }

    /// Sends `line` to every client that subscribed to events.
    void broadcast(std::string_view line) {
        for (const auto& [id, client] : clients_) {
            if (client->subscribed) {
                client->send(line, rpc::Kind::notification);
            }
        }
    }

    bool has_subscribers() const {
        for (const auto& [id, client] : clients_) {
            if (client->subscribed) {
                return true;
            }
        }
        return false;
    }

 private:
    void send(ClientId id, std::string_view line, rpc::Kind kind) {
        if (const auto found = clients_.find(id); found != clients_.end()) {
            found->second->send(line, kind);
        }
    }

    std::unordered_map<ClientId, Client*> clients_;
    std::string line_;  // reused by every message
    ClientId last_id_{0};
};

}  // namespace chaos
