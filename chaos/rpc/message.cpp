// SPDX-License-Identifier: Apache-2.0
#include "chaos/rpc/message.hpp"

#include <utility>

#include "chaos/json/parse.hpp"

namespace chaos::rpc {

namespace {

constexpr int parse_error_number = -32700;  // JSON-RPC 2.0, section 5.1
constexpr int invalid_request_number = -32600;
constexpr int method_not_found_number = -32601;
constexpr int invalid_params_number = -32602;
constexpr int internal_number = -32603;
constexpr std::size_t longest_id = 256;

std::unexpected<Failure> invalid(std::string message, std::string id) {
    return std::unexpected(Failure{invalid_request_number, "invalid_request", std::move(message), std::move(id)});
}

bool is_id(const json::Value& id) {
    const bool scalar =
        id.is(json::Type::string) || id.is(json::Type::integer) || id.is(json::Type::real) || id.is(json::Type::null);
    return scalar && id.text.size() <= longest_id;
}

std::expected<Request, Failure> check(json::Value root) {
    Request request;
    const json::Value* version = nullptr;
    const json::Value* method = nullptr;
    json::Value* params = nullptr;
    if (const json::Value* id = root.find("id"); id != nullptr) {
        if (!is_id(*id)) {
            return invalid("id: expected a number, or a string of at most 256 bytes", "null");
        }
        json::append_value(request.id, *id);
    }
    const std::string id = request.id.empty() ? "null" : request.id;
    for (json::Value& member : root.children) {
        if (member.key == "jsonrpc") {
            version = &member;
        } else if (member.key == "method") {
            method = &member;
        } else if (member.key == "params") {
            params = &member;
        } else if (member.key != "id") {
            return invalid("unknown member \"" + member.key + "\"; expected jsonrpc, id, method, params", id);
        }
    }
    if (version == nullptr || version->as_string() != "2.0") {
        return invalid("jsonrpc: expected \"2.0\"", id);
    }
    if (method == nullptr || !method->is(json::Type::string)) {
        return invalid("method: expected a string", id);
    }
    if (params != nullptr && !params->is(json::Type::object)) {
        return invalid("params: expected an object of named parameters", id);
    }
    request.method = method->text;
    request.params.type = json::Type::object;
    if (params != nullptr) {
        request.params = std::move(*params);
    }
    return request;
}

}  // namespace

int error_number(base::Code code) noexcept {
    switch (code) {
        case base::Code::invalid_argument: return invalid_params_number;
        case base::Code::invalid_config: return -32001;
        case base::Code::invalid_image: return -32002;
        case base::Code::not_found: return -32003;
        case base::Code::no_such_domain: return -32004;
        case base::Code::name_in_use: return -32005;
        case base::Code::bad_state: return -32006;
        case base::Code::no_memory: return -32007;
        case base::Code::limit_reached: return -32008;
        case base::Code::permission_denied: return -32009;
        case base::Code::unsupported: return -32010;
        case base::Code::io_error: return -32011;
        case base::Code::protocol_error: return -32012;
        case base::Code::version_mismatch: return -32013;
        case base::Code::timed_out: return -32014;
        case base::Code::unavailable: return -32015;
        case base::Code::guest_died: return -32016;
        case base::Code::internal: return internal_number;
    }
    return internal_number;
}

Failure failure_of(const base::Error& error, std::string_view id) {
    return Failure{error_number(error.code), std::string(base::code_name(error.code)), error.message, std::string(id)};
}

Failure method_not_found(std::string_view method, std::string_view suggestion, std::string_view id) {
    std::string message = "no method \"" + std::string(method.substr(0, 64)) + "\"";
    if (!suggestion.empty()) {
        message += "; did you mean \"" + std::string(suggestion) + "\"?";
    }
    return Failure{method_not_found_number, "method_not_found", std::move(message), std::string(id)};
}

Failure line_too_long(std::size_t limit) {
    return Failure{invalid_request_number, "line_too_long",
                   "the line is too long; expected at most " + std::to_string(limit) + " bytes", "null"};
}

std::expected<Request, Failure> parse_request(std::string_view line) {
    auto root = json::parse(line, json::Comments::rejected);
    if (!root) {
        return std::unexpected(
            Failure{parse_error_number, "parse_error",
                    "column " + std::to_string(root.error().offset + 1) + ": " + root.error().message, "null"});
    }
    if (root->is(json::Type::array)) {
        return invalid("batches are not served; expected one request object per line", "null");
    }
    if (!root->is(json::Type::object)) {
        return invalid("expected a request object", "null");
    }
    return check(*std::move(root));
}

void append_error(std::string& out, const Failure& failure, std::string_view extra) {
    out.append(R"({"jsonrpc":"2.0","id":)").append(failure.id).append(R"(,"error":{"code":)");
    out.append(std::to_string(failure.number)).append(R"(,"message":)");
    json::append_string(out, failure.message);
    out.append(R"(,"data":{"code":")").append(failure.name).append("\"");
    if (!extra.empty()) {
        out.append(",").append(extra);
    }
    out += "}}}\n";
}

}  // namespace chaos::rpc
