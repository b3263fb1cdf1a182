// SPDX-License-Identifier: Apache-2.0
// What a server of files needs of HTTP/1.1 (RFC 9112). Knows nothing of connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace guest {

enum class HttpStatus : std::uint16_t {
    ok = 200,
    bad_request = 400,
    not_found = 404,
    method_not_allowed = 405,
    content_too_large = 413,
    headers_too_large = 431,
    version_not_supported = 505,
};

std::string_view reason_of(HttpStatus status);

struct HttpRequest {
    HttpStatus status{HttpStatus::ok};  ///< what to answer; ok: look the path up
    bool head{false};                   ///< no body in the answer
    bool keep_alive{false};             ///< never after a request whose end is not known for sure
    bool http_1_0{false};
    std::string_view path;  ///< without the query
};

/// Bytes of `text` up to the end of the first request's head, the empty line included; nothing: it is not all there.
/// Empty lines before a request are part of it.
std::optional<std::size_t> http_head_size(std::string_view text);

/// Understands the head of a request, of the size that http_head_size gave.
HttpRequest parse_http(std::string_view head);

/// By the ending of its name.
std::string_view media_type_of(std::string_view path);

}  // namespace guest
