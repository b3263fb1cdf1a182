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
        const auto element = at->type == json::Type::array ? parse_number(key) : std::nullopt;
        if (element && *element >= at->children.size()) {
            return wrong("names element " + std::string(key) + " of " + std::to_string(at->children.size()));
        }
        at = element ? &at->children[*element] : &member(*at, key, index);
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
