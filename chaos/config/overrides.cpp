// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/overrides.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "chaos/config/units.hpp"
#include "chaos/json/parse.hpp"
#include "chaos/json/utf8.hpp"

namespace chaos {

namespace {

void mark(json::Value& value, std::int32_t argument) {
    value.argument = argument;
    for (json::Value& child : value.children) {
        mark(child, argument);
    }
}

json::Value value_of(std::string_view text) {
    auto parsed = json::parse(text, json::Comments::rejected);
    json::Value value = parsed ? *std::move(parsed) : json::Value();
    const bool scalar = value.type != json::Type::array && value.type != json::Type::object;
    if (!parsed) {
        value.type = json::Type::string;
    }
    if (scalar && value.text.empty() && !value.is(json::Type::string)) {
        value.text = text;  // cmdline=true: a key that wants a string gets what was typed
    } else if (!parsed) {
        value.text = text;
    }
    return value;
}

json::Value& member(json::Value& object, std::string_view key, std::int32_t argument) {
    if (object.type != json::Type::object) {
        json::Value fresh;
        fresh.type = json::Type::object;
        fresh.argument = argument;
        fresh.key = std::move(object.key);
        object = std::move(fresh);
    }
    for (json::Value& child : object.children) {
        if (child.key == key) {
            return child;
        }
    }
    json::Value& added = object.children.emplace_back();
    added.key = key;
    added.argument = argument;
    return added;
}

/// Element `number` of the list; the one behind the last is made. Null: there is none such.
json::Value* element(json::Value& list, std::uint64_t number, std::int32_t argument) {
    if (number == list.children.size()) {
        list.children.emplace_back().argument = argument;
    }
    return number < list.children.size() ? &list.children[number] : nullptr;
}

base::Result<void> apply(json::Value& root, std::string_view argument, std::int32_t index) {
    const auto wrong = [&](std::string_view what) {
        return base::fail(base::Code::invalid_argument,
                          "argument '" + std::string(argument) + "': " + std::string(what) + "; expected key=value");
    };
    const std::size_t equals = argument.find('=');
    if (!json::is_utf8(argument)) {
        return wrong("is no UTF-8");
    }
    if (equals == std::string_view::npos || equals == 0) {
        return wrong(equals == 0 ? "has no key" : "has no '='");
    }
    std::string_view path = argument.substr(0, equals);
    if (static_cast<std::size_t>(std::count(path.begin(), path.end(), '.')) >= json::max_depth) {
        return wrong("names too deep a key");
    }
    json::Value* at = &root;
    for (std::optional<std::string_view> rest = path; rest;) {
        const std::size_t dot = rest->find('.');
        const std::string_view key = rest->substr(0, dot);
        rest = dot == std::string_view::npos ? std::nullopt : std::optional(rest->substr(dot + 1));
        if (key.empty()) {
            return wrong("has an empty key in its path");
        }
        const bool may_be_list = at->type == json::Type::array || at->type == json::Type::null;
        const auto number = may_be_list ? parse_number(key) : std::nullopt;
        if (!number) {
            at = &member(*at, key, index);
            continue;
        }
        if (at->type == json::Type::null) {
            at->type = json::Type::array;
            at->text.clear();
        }
        const std::size_t count = at->children.size();
        at = element(*at, *number, index);
        if (at == nullptr) {
            return base::fail(base::Code::invalid_argument, "argument '" + std::string(argument) + "': names element " +
                                                                std::string(key) + " of " + std::to_string(count) +
                                                                "; expected at most " + std::to_string(count) +
                                                                ", the next one");
        }
    }
    json::Value value = value_of(argument.substr(equals + 1));
    mark(value, index);
    value.key = std::move(at->key);
    *at = std::move(value);
    return {};
}

}  // namespace

base::Result<void> apply_overrides(json::Value& root, std::span<const std::string> arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        BASE_TRY(apply(root, arguments[i], static_cast<std::int32_t>(i)));
    }
    return {};
}

}  // namespace chaos
