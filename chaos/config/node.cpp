// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/node.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "chaos/json/parse.hpp"
#include "chaos/json/writer.hpp"

namespace chaos {

namespace {

constexpr std::size_t shown_characters = 40;

std::string shortened(std::string_view text) {
    std::string quoted;
    json::append_string(quoted, text.substr(0, shown_characters));
    return text.size() <= shown_characters ? quoted : quoted + "...";
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

}  // namespace

std::string describe(const json::Value& value) {
    switch (value.type) {
        case json::Type::null: return "null";
        case json::Type::boolean: return value.truth ? "true" : "false";
        case json::Type::integer:
        case json::Type::real: return "the number " + value.text.substr(0, shown_characters);
        case json::Type::string: return "the string " + shortened(value.text);
        case json::Type::array: return "an array";
        case json::Type::object: return "an object";
    }
    return "something else";
}

std::string_view closest(std::string_view word, std::span<const std::string_view> words) {
    constexpr std::size_t longest_word = 64;
    std::string_view best;
    std::size_t best_distance = 3;
    if (word.size() > longest_word) {
        return best;
    }
    for (const std::string_view candidate : words) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance && distance < std::max(word.size(), candidate.size())) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string Node::path() const {
    if (parent_ == nullptr) {
        return {};
    }
    std::string path = parent_->path();
    if (parent_->value_.is(json::Type::array)) {
        return path + "[" + std::to_string(index_) + "]";
    }
    return path.empty() ? value_.key : path + "." + value_.key;
}

std::unexpected<base::Error> Node::fail_at(std::uint32_t offset, std::string_view what) const {
    std::string message;
    if (value_.argument >= 0 && static_cast<std::size_t>(value_.argument) < document_.arguments.size()) {
        message = "argument '" + document_.arguments[static_cast<std::size_t>(value_.argument)] + "'";
    } else {
        message = document_.name;
        if (!document_.text.empty()) {
            const json::Position at = json::position_of(document_.text, offset);
            message.append(":").append(std::to_string(at.line)).append(":").append(std::to_string(at.column));
        }
    }
    const std::string where = path();
    if (!where.empty()) {
        message.append(": ").append(where);
    }
    message.append(": ").append(what);
    return base::fail(document_.code, std::move(message));
}

std::unexpected<base::Error> Node::fail(std::string_view what) const {
    return fail_at(value_.offset, what);
}

std::unexpected<base::Error> Node::fail_at_key(std::string_view what) const {
    return fail_at(parent_ == nullptr ? value_.offset : value_.key_offset, what);
}

std::unexpected<base::Error> Node::unexpected(std::string_view expected) const {
    return fail("got " + describe(value_) + "; expected " + std::string(expected));
}

Result<bool> Node::boolean() const {
    if (!value_.is(json::Type::boolean)) {
        return unexpected("true or false");
    }
    return value_.truth;
}

Result<std::uint64_t> Node::number(std::uint64_t low, std::uint64_t high) const {
    const auto number = value_.as_unsigned();
    if (!number || *number < low || *number > high) {
        return unexpected("a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return *number;
}

Result<std::string_view> Node::string() const {
    const bool bare_argument = value_.argument >= 0 && !value_.text.empty();
    if (!value_.is(json::Type::string) && !bare_argument) {
        return unexpected("a string");
    }
    if (value_.text.find('\0') != std::string::npos) {
        return fail("a NUL character in the string; expected none");
    }
    return std::string_view(value_.text);
}

Result<std::size_t> Node::word(std::span<const std::string_view> words) const {
    const auto found = value_.is(json::Type::string) ? std::find(words.begin(), words.end(), value_.text) : words.end();
    if (found != words.end()) {
        return static_cast<std::size_t>(found - words.begin());
    }
    std::string expected;
    for (std::size_t i = 0; i < words.size(); ++i) {
        expected += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
        expected.append("\"").append(words[i]).append("\"");
    }
    return unexpected(expected);
}

std::unexpected<base::Error> unknown_key(const Node& node, std::span<const std::string_view> keys) {
    const std::string_view meant = closest(node.value().key, keys);
    if (!meant.empty()) {
        return node.fail_at_key("unknown key; did you mean \"" + std::string(meant) + "\"?");
    }
    std::string expected = "unknown key; expected one of";
    for (const std::string_view key : keys) {
        expected += key == keys.front() ? " " : ", ";
        expected += key;
    }
    return node.fail_at_key(expected);
}

}  // namespace chaos
