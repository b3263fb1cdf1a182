// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/http.hpp"

namespace guest {

namespace {

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

/// Cuts off what stands before `separator`, and that; all of it where there is none.
std::string_view cut(std::string_view& text, char separator) {
    const std::size_t at = text.find(separator);
    const std::string_view part = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return part;
}

std::string_view trim(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!text.empty() && blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && blank(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

std::string_view next_line(std::string_view& text) {
    std::string_view line = cut(text, '\n');
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

bool is_token(std::string_view text) {
    for (const char c : text) {
        if (c <= ' ' || c >= 0x7f || c == ':') {
            return false;
        }
    }
    return !text.empty();
}

HttpRequest refuse(HttpStatus status) {
    HttpRequest request;
    request.status = status;
    return request;
}

/// METHOD SP TARGET SP VERSION
HttpRequest parse_request_line(std::string_view line) {
    const std::string_view method = cut(line, ' ');
    const std::string_view target = cut(line, ' ');
    if (!is_token(method) || !line.starts_with("HTTP/") || line.size() != 8) {
        return refuse(HttpStatus::bad_request);
    }
    if (!line.starts_with("HTTP/1.")) {
        return refuse(HttpStatus::version_not_supported);
    }
    if (!target.starts_with('/')) {
        return refuse(HttpStatus::bad_request);
    }
    HttpRequest request;
    request.http_1_0 = line.ends_with('0');
    request.keep_alive = !request.http_1_0;
    request.head = method == "HEAD";
    request.status = request.head || method == "GET" ? HttpStatus::ok : HttpStatus::method_not_allowed;
    request.path = target.substr(0, target.find('?'));
    return request;
}

/// What the head says about the connection and about a body, which no request that is served has.
struct Fields {
    bool bad{false};
    bool host{false};
    bool body{false};
    bool close{false};
    bool keep_alive{false};
};

void read_connection(std::string_view value, Fields& fields) {
    while (!value.empty()) {
        const std::string_view option = trim(cut(value, ','));
        fields.close = fields.close || equal_ignoring_case(option, "close");
        fields.keep_alive = fields.keep_alive || equal_ignoring_case(option, "keep-alive");
    }
}

Fields parse_fields(std::string_view text) {
    Fields fields;
    for (;;) {
        std::string_view value = next_line(text);
        if (value.empty()) {
            return fields;
        }
        const bool named = value.find(':') != std::string_view::npos;
        const std::string_view name = cut(value, ':');
        if (!named || !is_token(name)) {
            fields.bad = true;
        } else if (equal_ignoring_case(name, "host")) {
            fields.bad = fields.bad || fields.host;
            fields.host = true;
        } else if (equal_ignoring_case(name, "connection")) {
            read_connection(value, fields);
        } else if (equal_ignoring_case(name, "content-length")) {
            fields.body = fields.body || trim(value) != "0";
        } else if (equal_ignoring_case(name, "transfer-encoding")) {
            fields.body = true;
        }
    }
}

}  // namespace

std::string_view reason_of(HttpStatus status) {
    switch (status) {
        case HttpStatus::ok: return "OK";
        case HttpStatus::bad_request: return "Bad Request";
        case HttpStatus::not_found: return "Not Found";
        case HttpStatus::method_not_allowed: return "Method Not Allowed";
        case HttpStatus::content_too_large: return "Content Too Large";
        case HttpStatus::headers_too_large: return "Request Header Fields Too Large";
        case HttpStatus::version_not_supported: return "HTTP Version Not Supported";
    }
    return "";
}

std::optional<std::size_t> http_head_size(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size() && (text[at] == '\r' || text[at] == '\n')) {
        ++at;
    }
    for (at = text.find('\n', at); at != std::string_view::npos; at = text.find('\n', at + 1)) {
        const std::string_view rest = text.substr(at + 1, 2);
        if (rest.starts_with('\n')) {
            return at + 2;
        }
        if (rest == "\r\n") {
            return at + 3;
        }
    }
    return std::nullopt;
}

HttpRequest parse_http(std::string_view head) {
    while (head.starts_with('\r') || head.starts_with('\n')) {
        head.remove_prefix(1);
    }
    HttpRequest request = parse_request_line(next_line(head));
    if (request.status != HttpStatus::ok && request.status != HttpStatus::method_not_allowed) {
        return request;
    }
    const Fields fields = parse_fields(head);
    if (fields.bad || (!fields.host && !request.http_1_0)) {
        return refuse(HttpStatus::bad_request);
    }
    if (fields.body) {
        return refuse(request.status == HttpStatus::ok ? HttpStatus::content_too_large : request.status);
    }
    request.keep_alive = !fields.close && (request.keep_alive || fields.keep_alive);
    return request;
}

std::string_view media_type_of(std::string_view path) {
    struct Type {
        std::string_view ending;
        std::string_view name;
    };
    static constexpr Type types[] = {
        {".html", "text/html; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".css", "text/css"},
        {".js", "text/javascript"},
        {".json", "application/json"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".svg", "image/svg+xml"},
        {".ico", "image/x-icon"},
    };
    for (const auto& type : types) {
        if (path.ends_with(type.ending)) {
            return type.name;
        }
    }
    return "application/octet-stream";
}

}  // namespace guest
