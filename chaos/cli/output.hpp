// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chaos/json/value.hpp"

namespace chaos::cli {

/// Writes all of it to standard output.
void print(std::string_view text);
/// One JSON value on a line.
void print_json(const json::Value& value);

/// Rows under headings; columns as wide as their widest cell.
class Table {
 public:
    explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    std::string text() const;

 private:
    std::vector<std::vector<std::string>> rows_;
};

/// Members of a reply, with something harmless where they are missing.
std::string text_of(const json::Value& object, std::string_view key);
std::uint64_t number_of(const json::Value& object, std::string_view key);
double real_of(const json::Value& object, std::string_view key);
bool flag_of(const json::Value& object, std::string_view key);
const std::vector<json::Value>& list_of(const json::Value& object, std::string_view key);
const json::Value& object_of(const json::Value& object, std::string_view key);

/// "4MiB"; "3d4h", "5m10s", "12s"; "87 us", "1.2 ms".
std::string bytes_text(std::uint64_t bytes);
std::string duration_text(std::uint64_t ms);
std::string micros_text(double us);

/// {"id": 7} when `target` is a number, else {"name": "..."}; `more`: members to put behind, as JSON.
std::string target_params(std::string_view target, std::string_view more = {});

/// `text` without what a terminal would obey.
std::string printable(std::string_view text);

}  // namespace chaos::cli
