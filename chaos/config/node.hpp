// SPDX-License-Identifier: Apache-2.0
// A checked walk over a parsed document: every refusal says where the value stands and what was expected there.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "chaos/json/value.hpp"

namespace chaos {

using base::Result;

/// Where a document came from and how mistakes in it are reported.
struct Document {
    std::string name;                        ///< file name; for a request: "params"
    std::string_view text;                   ///< for line and column; empty: positions mean nothing to the reader
    std::span<const std::string> arguments;  ///< key=value overrides, as given
    base::Code code{base::Code::invalid_config};
};

/// One value of a document and the way to it. Lives on the stack of the reader; costs nothing when all is well.
class Node {
 public:
    Node(const Document& document, const json::Value& value) : document_(document), value_(value) {}
    /// The member or element `value` of `parent`; `index`: its number in an array.
    Node(const Node& parent, const json::Value& value, std::size_t index = 0)
        : document_(parent.document_), value_(value), parent_(&parent), index_(index) {}

    const json::Value& value() const { return value_; }
    const Document& document() const { return document_; }

    /// "vifs[1].mac"; empty for the document itself.
    std::string path() const;

    /// An error at this value: "file:3:12: memory: `what`".
    std::unexpected<base::Error> fail(std::string_view what) const;
    /// The same at the key of this value.
    std::unexpected<base::Error> fail_at_key(std::string_view what) const;
    /// "got the number 4.5; expected `expected`".
    std::unexpected<base::Error> unexpected(std::string_view expected) const;

    Result<bool> boolean() const;
    /// A whole number from `low` to `high`.
    Result<std::uint64_t> number(std::uint64_t low, std::uint64_t high) const;
    Result<std::string_view> string() const;
    /// One of `words`; returns its index.
    Result<std::size_t> word(std::span<const std::string_view> words) const;

 private:
    std::unexpected<base::Error> fail_at(std::uint32_t offset, std::string_view what) const;

    const Document& document_;
    const json::Value& value_;
    const Node* parent_{nullptr};
    std::size_t index_{0};
};

/// A value in words for people: "the string \"lots\"", "an array".
std::string describe(const json::Value& value);

/// The one of `words` that `word` was most likely meant to be; empty: none is close.
std::string_view closest(std::string_view word, std::span<const std::string_view> words);

/// How one key of an object is read into a T.
template <class T>
struct Field {
    std::string_view key;
    Result<void> (*read)(const Node&, T&);
};

/// "unknown key; did you mean ...?" for the member `node`, whose object has the keys `keys`.
std::unexpected<base::Error> unknown_key(const Node& node, std::span<const std::string_view> keys);

/// Reads every member of the object `node` through `fields`; a key that is not among them is an error.
template <class T, std::size_t N>
Result<void> read_object(const Node& node, const Field<T> (&fields)[N], T& into) {
    if (!node.value().is(json::Type::object)) {
        return node.unexpected("an object");
    }
    for (const json::Value& member : node.value().children) {
        const Node child(node, member);
        const Field<T>* match = nullptr;
        for (const Field<T>& field : fields) {
            if (field.key == member.key) {
                match = &field;
                break;
            }
        }
        if (match == nullptr) {
            std::string_view keys[N];
            for (std::size_t i = 0; i < N; ++i) {
                keys[i] = fields[i].key;
            }
            return unknown_key(child, keys);
        }
        BASE_TRY(match->read(child, into));
    }
    return {};
}

}  // namespace chaos
