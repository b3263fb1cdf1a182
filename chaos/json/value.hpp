// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chaos::json {

enum class Type : std::uint8_t { null, boolean, integer, real, string, array, object };

/// A parsed JSON value that remembers where it stood, so that a later check can point at it.
struct Value {
    Type type{Type::null};
    bool truth{false};            ///< boolean: the value; integer: negative
    std::int32_t argument{-1};    ///< index of the command-line argument it came from; -1: the document itself
    std::uint32_t offset{0};      ///< byte offset of the value in the document
    std::uint32_t key_offset{0};  ///< member of an object: byte offset of its key
    std::uint64_t magnitude{0};   ///< integer: absolute value
    double real{0};               ///< real: the value
    std::string key;              ///< member of an object: its key
    std::string text;             ///< string: its characters; number: as written; from an argument: as written
    std::vector<Value> children;  ///< array: elements; object: members in the order of the document

    bool is(Type t) const { return type == t; }
    /// The member `name` of an object; nullptr: it has none, or this is no object.
    const Value* find(std::string_view name) const;
    /// A number that is whole and not negative (4.0 counts); empty: it is something else.
    std::optional<std::uint64_t> as_unsigned() const;
    /// The string in it, or empty when it is none. For documents that were checked before.
    std::string_view as_string() const { return is(Type::string) ? std::string_view(text) : std::string_view(); }
    /// Any number as a double; 0 when it is none.
    double as_double() const;
};

}  // namespace chaos::json
