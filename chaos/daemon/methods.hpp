// SPDX-License-Identifier: Apache-2.0
// The methods of the API. A new one is a function and a line in the table of its file.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "chaos/config/node.hpp"
#include "chaos/daemon/client.hpp"
#include "chaos/daemon/service.hpp"

namespace chaos {

/// One request on its way through a method.
struct Call {
    Service& service;
    Client& client;
    const std::string& request_id;  ///< as JSON; empty: no reply is wanted
    const Node& params;
    std::string_view line;  ///< the request as it came, for positions
    Clock::time_point received;

    template <class Fill>
    void reply(Fill&& fill) const {
        service.clients().reply(client.id, request_id, std::forward<Fill>(fill));
    }
    void reply_empty() const {
        reply([](json::Writer& writer) { writer.begin_object().end_object(); });
    }
};

/// Replies itself, now or later; an error that it returns is replied for it.
struct Method {
    std::string_view name;
    Result<void> (*run)(const Call&);
};

std::span<const Method> create_methods();
std::span<const Method> domain_methods();
std::span<const Method> device_methods();
std::span<const Method> console_methods();
std::span<const Method> network_methods();
std::span<const Method> pool_methods();
std::span<const Method> event_methods();
std::span<const Method> daemon_methods();

/// nullptr: there is none of this name.
const Method* find_method(std::string_view name);
/// The method whose name is like `name`, or nothing.
std::string_view similar_method(std::string_view name);

/// Which domain a request means: "id" or "name".
struct Target {
    std::optional<base::DomId> id;
    std::optional<std::string> name;
};
Result<void> read_target_id(const Node& node, Target& target);
Result<void> read_target_name(const Node& node, Target& target);
/// The domain, if it exists.
Result<base::DomId> find_target(const Call& call, const Target& target);
/// Whether exactly one of both was given.
Result<void> check_target(const Call& call, const Target& target);

Result<void> read_timeout(const Node& node, std::chrono::milliseconds& timeout);

}  // namespace chaos
