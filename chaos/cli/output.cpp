// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "chaos/config/units.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

template <class... Args>
std::string formatted(const char* format, Args... args) {
    char text[64];
    const int length = std::snprintf(text, sizeof text, format, args...);
    return {text, static_cast<std::size_t>(std::clamp(length, 0, 63))};
}

}  // namespace

void print(std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written <= 0) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void print_json(const json::Value& value) {
    std::string text;
    json::append_value(text, value);
    print(text.append("\n"));
}

std::string Table::text() const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    std::string text;
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            text += row[i];
            const bool last = i + 1 == row.size();
            text.append(last ? 0 : widths[i] - row[i].size() + 2, ' ');
        }
        text += '\n';
    }
    return text;
}

std::string text_of(const json::Value& object, std::string_view key) {
    const json::Value* member = object.find(key);
    return member == nullptr ? std::string() : member->text;
}

std::uint64_t number_of(const json::Value& object, std::string_view key) {
    const json::Value* member = object.find(key);
    return member == nullptr ? 0 : member->as_unsigned().value_or(0);
}

double real_of(const json::Value& object, std::string_view key) {
    const json::Value* member = object.find(key);
    return member == nullptr ? 0 : member->as_double();
}

bool flag_of(const json::Value& object, std::string_view key) {
    const json::Value* member = object.find(key);
    return member != nullptr && member->is(json::Type::boolean) && member->truth;
}

const std::vector<json::Value>& list_of(const json::Value& object, std::string_view key) {
    return object_of(object, key).children;
}

const json::Value& object_of(const json::Value& object, std::string_view key) {
    static const json::Value nothing;
    const json::Value* member = object.find(key);
    return member == nullptr ? nothing : *member;
}

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::uint64_t mebibyte = 1 << 20;
    if (bytes % mebibyte != 0 && bytes > mebibyte) {
        return formatted("%.1fMiB", static_cast<double>(bytes) / static_cast<double>(mebibyte));
    }
    return size_text(base::Bytes{bytes});
}

std::string duration_text(std::uint64_t ms) {
    const unsigned long long s = ms / 1000;
    if (s >= 86400) {
        return formatted("%llud%lluh", s / 86400, s % 86400 / 3600);
    }
    if (s >= 3600) {
        return formatted("%lluh%llum", s / 3600, s % 3600 / 60);
    }
    return s >= 60 ? formatted("%llum%llus", s / 60, s % 60) : formatted("%llus", s);
}

std::string micros_text(double us) {
    return us < 1000  ? formatted("%.0f us", us)
           : us < 1e6 ? formatted("%.1f ms", us / 1e3)
                      : formatted("%.2f s", us / 1e6);
}

std::string target_params(std::string_view target, std::string_view more) {
    std::string params = "{";
    if (const auto id = parse_number(target)) {
        params.append("\"id\":").append(std::to_string(*id));
    } else {
        params.append("\"name\":");
        json::append_string(params, target);
    }
    if (!more.empty()) {
        params.append(",").append(more);
    }
    return params.append("}");
}

std::string printable(std::string_view text) {
    std::string clean(text);
    std::replace_if(
        clean.begin(), clean.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, '?');
    return clean;
}

}  // namespace chaos::cli
