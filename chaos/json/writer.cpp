// SPDX-License-Identifier: Apache-2.0
#include "chaos/json/writer.hpp"

#include <charconv>
#include <cmath>

#include "chaos/json/utf8.hpp"

namespace chaos::json {

namespace {

bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void append_escaped(std::string& out, char c) {
    constexpr char hex[] = "0123456789abcdef";
    switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default:
            out += "\\u00";
            out += hex[(c >> 4) & 0xf];
            out += hex[c & 0xf];
    }
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size() && is_plain(text[plain])) {
            ++plain;
        }
        out += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) {
            break;
        }
        const std::size_t length = utf8_length(text);
        if (length == 1) {
            append_escaped(out, text.front());
        } else {
            out += length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    out += '"';
}

void append_value(std::string& out, const Value& value) {
    switch (value.type) {
        case Type::null: out += "null"; return;
        case Type::boolean: out += value.truth ? "true" : "false"; return;
        case Type::integer:
        case Type::real: out += value.text; return;
        case Type::string: append_string(out, value.text); return;
        case Type::array:
        case Type::object: break;
    }
    const bool object = value.type == Type::object;
    out += object ? '{' : '[';
    for (std::size_t i = 0; i < value.children.size(); ++i) {
        out += i == 0 ? "" : ",";
        if (object) {
            append_string(out, value.children[i].key);
            out += ':';
        }
        append_value(out, value.children[i]);
    }
    out += object ? '}' : ']';
}

void Writer::separate() {
    if (comma_) {
        out_ += ',';
    }
    comma_ = true;
}

Writer& Writer::open(char bracket) {
    separate();
    out_ += bracket;
    comma_ = false;
    return *this;
}

Writer& Writer::close(char bracket) {
    out_ += bracket;
    comma_ = true;
    return *this;
}

Writer& Writer::key(std::string_view name) {
    separate();
    append_string(out_, name);
    out_ += ':';
    comma_ = false;
    return *this;
}

Writer& Writer::value(std::string_view text) {
    separate();
    append_string(out_, text);
    return *this;
}

Writer& Writer::value(double number) {
    if (!std::isfinite(number)) {
        return null();
    }
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, 1);
    return raw(end.ec == std::errc() ? std::string_view(text, static_cast<std::size_t>(end.ptr - text)) : "0");
}

Writer& Writer::micros(std::uint64_t ns) {
    char text[32];
    char* end = std::to_chars(text, text + sizeof text, ns / 1000).ptr;
    const auto rest = static_cast<unsigned>(ns % 1000);
    *end++ = '.';
    *end++ = static_cast<char>('0' + rest / 100);
    *end++ = static_cast<char>('0' + rest / 10 % 10);
    *end++ = static_cast<char>('0' + rest % 10);
    return raw({text, static_cast<std::size_t>(end - text)});
}

Writer& Writer::raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
}

}  // namespace chaos::json
