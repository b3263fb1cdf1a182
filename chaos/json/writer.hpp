// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "chaos/json/value.hpp"

namespace chaos::json {

/// Appends `text` to `out` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
void append_string(std::string& out, std::string_view text);

/// Appends `value` to `out` as JSON.
void append_value(std::string& out, const Value& value);

/// Writes JSON straight into a string that its caller owns and reuses: no tree, no copies. The caller closes what it
/// opens; commas are the writer's business.
class Writer {
 public:
    explicit Writer(std::string& out) : out_(out) {}

    Writer& begin_object() { return open('{'); }
    Writer& end_object() { return close('}'); }
    Writer& begin_array() { return open('['); }
    Writer& end_array() { return close(']'); }
    Writer& key(std::string_view name);

    Writer& value(std::string_view text);
    Writer& value(const char* text) { return value(std::string_view(text)); }
    Writer& value(const std::string& text) { return value(std::string_view(text)); }
    Writer& value(bool truth) { return raw(truth ? "true" : "false"); }
    Writer& value(double number);
    template <std::integral T>
    Writer& value(T number) {
        return raw(std::to_string(number));
    }
    Writer& null() { return raw("null"); }
    /// A duration of `ns` nanoseconds as microseconds: "87.125".
    Writer& micros(std::uint64_t ns);
    /// JSON that is already written.
    Writer& raw(std::string_view json);

    template <class T>
    Writer& member(std::string_view name, const T& v) {
        return key(name).value(v);
    }

 private:
    Writer& open(char bracket);
    Writer& close(char bracket);
    void separate();

    std::string& out_;
    bool comma_{false};
};

}  // namespace chaos::json
