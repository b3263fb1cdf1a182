// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 2.0 messages, one per line (https://www.jsonrpc.org/specification). Pure: no sockets.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "chaos/json/value.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::rpc {

/// The version of the API: changes when a client of the old one would misunderstand.
inline constexpr unsigned api_version = 1;

struct Request {
    std::string id;  ///< as JSON; empty: a notification, which gets no reply
    std::string method;
    json::Value params;  ///< an object; empty when the request has none
};

/// What goes into an error object: {code: number, message, data: {code: name, ...}}.
struct Failure {
    int number{0};
    std::string name;
    std::string message;
    std::string id{"null"};  ///< of the request, as JSON
};

/// The stable number of `code` in error objects; docs/api.md has the table.
int error_number(base::Code code) noexcept;

Failure failure_of(const base::Error& error, std::string_view id);
Failure method_not_found(std::string_view method, std::string_view suggestion, std::string_view id);
Failure line_too_long(std::size_t limit);

std::expected<Request, Failure> parse_request(std::string_view line);

/// Appends the line of an error reply. `extra`: more members of `data` as JSON ("\"created\":0"), or empty.
void append_error(std::string& out, const Failure& failure, std::string_view extra = {});

/// Appends the line of a reply whose result `fill(json::Writer&)` writes.
template <class Fill>
void append_result(std::string& out, std::string_view id, Fill&& fill) {
    out.append(R"({"jsonrpc":"2.0","id":)").append(id).append(R"(,"result":)");
    json::Writer writer(out);
    fill(writer);
    out += "}\n";
}

/// Appends the line of a notification whose parameters `fill(json::Writer&)` writes.
template <class Fill>
void append_notification(std::string& out, std::string_view method, Fill&& fill) {
    out.append(R"({"jsonrpc":"2.0","method":")").append(method).append(R"(","params":)");
    json::Writer writer(out);
    fill(writer);
    out += "}\n";
}

}  // namespace chaos::rpc
