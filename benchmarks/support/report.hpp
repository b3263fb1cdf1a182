// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace bench {

/// What a benchmark found: sections of named figures, in the order in which they were added.
class Report {
 public:
    /// `driver`: the hypervisor driver that was measured, empty where that goes without saying.
    explicit Report(std::string name, std::string driver = {}) : name_(std::move(name)), driver_(std::move(driver)) {}

    /// Adds a figure; `unit` is shown in the table and is part of the JSON key ("p50_us").
    void add(std::string_view section, std::string_view key, double value, std::string_view unit);
    /// p50, p90, p99 and the count of `micros`.
    void add_times(std::string_view section, const std::vector<double>& micros);

    /// A figure against its goal: shown as met or missed, never a reason to fail.
    void add_goal(std::string_view what, double value, double at_most);
    void add_goal_at_least(std::string_view what, double value, double at_least);

    /// A sentence about the run: what was left out, and why.
    void add_note(std::string note) { notes_.push_back(std::move(note)); }

    std::string table() const;
    std::string json() const;
    /// Writes the JSON to `json_path` unless that is empty. A path that ends in "/" is a folder: the file is named
    /// after the benchmark, and after the driver unless that is "process".
    base::Result<void> save(const std::string& json_path) const;

 private:
    struct Figure {
        std::string section, key, unit;
        double value;
    };
    struct Goal {
        std::string what;
        double value, limit;
        bool at_most;
        bool met() const { return at_most ? value <= limit : value >= limit; }
    };
    std::string name_, driver_;
    std::vector<std::string> notes_;
    std::vector<Figure> figures_;
    std::vector<Goal> goals_;
};

/// The end of a benchmark's main: prints the table and saves the JSON, or says what went wrong. Returns the exit code.
int publish(const base::Result<Report>& report, const std::string& json_path);

}  // namespace bench
