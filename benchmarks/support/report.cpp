// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/report.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <memory>

#include "benchmarks/support/stats.hpp"

namespace bench {
namespace {

std::string number(double value) {
    char text[40];
    if (std::floor(value) == value && std::fabs(value) < 1e15) {
        std::snprintf(text, sizeof text, "%.0f", value);
    } else {
        std::snprintf(text, sizeof text, "%.3f", value);
    }
    return text;
}

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size(), width), ' ');
    return text;
}

// Names are literals of the benchmarks; only notes hold words of others.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return out + '"';
}

std::string joined(const std::vector<std::string>& notes) {
    std::string out;
    for (const std::string& note : notes) {
        out += (out.empty() ? "" : ", ") + quoted(note);
    }
    return out;
}

}  // namespace

void Report::add(std::string_view section, std::string_view key, double value, std::string_view unit) {
    figures_.push_back({std::string(section), std::string(key), std::string(unit), value});
}

void Report::add_times(std::string_view section, const std::vector<double>& micros) {
    add(section, "p50", percentile(micros, 0.5), "us");
    add(section, "p90", percentile(micros, 0.9), "us");
    add(section, "p99", percentile(micros, 0.99), "us");
    add(section, "samples", static_cast<double>(micros.size()), "");
}

void Report::add_goal(std::string_view what, double value, double at_most) {
    goals_.push_back({std::string(what), value, at_most, true});
}

void Report::add_goal_at_least(std::string_view what, double value, double at_least) {
    goals_.push_back({std::string(what), value, at_least, false});
}

std::string Report::table() const {
    std::string out = "\n" + name_ + (driver_.empty() ? "" : ", driver " + driver_) + "\n";
    std::string_view section;
    for (const Figure& figure : figures_) {
        const bool first = figure.section != section;
        section = figure.section;
        out += padded(first ? "  " + figure.section : "", 44) + padded(figure.key, 26);
        out += number(figure.value) + (figure.unit.empty() ? "" : " " + figure.unit) + "\n";
    }
    for (const Goal& goal : goals_) {
        out += padded("  goal: " + goal.what, 70) + number(goal.value) + (goal.at_most ? " <= " : " >= ") +
               number(goal.limit) + (goal.met() ? "  met\n" : "  MISSED\n");
    }
    for (const std::string& note : notes_) {
        out += "  note: " + note + "\n";
    }
    return out;
}

std::string Report::json() const {
    std::string out = "{\n  \"benchmark\": " + quoted(name_);
    out += driver_.empty() ? "" : ",\n  \"driver\": " + quoted(driver_);
    out += notes_.empty() ? "" : ",\n  \"notes\": [" + joined(notes_) + "]";
    out += ",\n  \"figures\": {";
    std::string_view section;
    for (const Figure& figure : figures_) {
        if (figure.section != section) {
            out += (section.empty() ? "\n    " : "\n    },\n    ") + quoted(figure.section) + ": {\n";
        } else {
            out += ",\n";
        }
        section = figure.section;
        const std::string key = figure.unit.empty() ? figure.key : figure.key + "_" + figure.unit;
        out += "      " + quoted(key) + ": " + number(figure.value);
    }
    out += section.empty() ? "},\n  \"goals\": [" : "\n    }\n  },\n  \"goals\": [";
    for (const Goal& goal : goals_) {
        out += (&goal == goals_.data() ? "\n" : ",\n");
        out += "    {\"what\": " + quoted(goal.what) + ", \"value\": " + number(goal.value) + ", " +
               (goal.at_most ? "\"at_most\": " : "\"at_least\": ") + number(goal.limit) +
               ", \"met\": " + (goal.met() ? "true" : "false") + "}";
    }
    return out + "\n  ]\n}\n";
}

base::Result<void> Report::save(const std::string& json_path) const {
    if (json_path.empty()) {
        return {};
    }
    if (json_path.ends_with('/')) {
        return save(json_path + name_ + (driver_.empty() || driver_ == "process" ? "" : "-" + driver_) + ".json");
    }
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(json_path.c_str(), "w"), &std::fclose);
    if (!file) {
        return base::fail_errno(errno, "open " + json_path);
    }
    const std::string text = json();
    if (std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0) {
        return base::fail_errno(errno, "write " + json_path);
    }
    return {};
}

int publish(const base::Result<Report>& report, const std::string& json_path) {
    if (!report) {
        std::fprintf(stderr, "benchmark failed: %s\n", report.error().message.c_str());
        return 1;
    }
    std::fputs(report->table().c_str(), stdout);
    const auto saved = report->save(json_path);
    if (!saved) {
        std::fprintf(stderr, "benchmark failed: %s\n", saved.error().message.c_str());
    }
    return saved ? 0 : 1;
}

}  // namespace bench
