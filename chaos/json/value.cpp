// SPDX-License-Identifier: Apache-2.0
#include "chaos/json/value.hpp"

namespace chaos::json {

const Value* Value::find(std::string_view name) const {
    if (type != Type::object) {
        return nullptr;
    }
    for (const Value& child : children) {
        if (child.key == name) {
            return &child;
        }
    }
    return nullptr;
}

std::optional<std::uint64_t> Value::as_unsigned() const {
    constexpr double exact_integers = 9007199254740992.0;  // 2^53
    if (type == Type::integer && (!truth || magnitude == 0)) {
        return magnitude;
    }
    if (type == Type::real && real >= 0 && real <= exact_integers) {
        const auto whole = static_cast<std::uint64_t>(real);
        if (static_cast<double>(whole) == real) {
            return whole;
        }
    }
    return std::nullopt;
}

double Value::as_double() const {
    if (type == Type::real) {
        return real;
    }
    if (type == Type::integer) {
        const auto size = static_cast<double>(magnitude);
        return truth ? -size : size;
    }
    return 0;
}

}  // namespace chaos::json
