// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <unordered_map>

#include "chaos/cli/output.hpp"
#include "chaos/cli/terminal.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

using Clock = std::chrono::steady_clock;
constexpr double first_look_s = 0.25;  // between the two samples that the first figures need
constexpr unsigned head_lines = 4;

struct Row {
    std::uint64_t id{0};
    std::string name, state;
    double cpu_percent{0};
    std::uint64_t cpu_time_us{0}, memory{0}, resident{0}, uptime_ms{0};
};

struct Sample {
    Clock::time_point when;
    std::unordered_map<std::uint64_t, std::uint64_t> cpu_time_us;
    std::vector<Row> rows;
};

base::Result<Sample> look(Client& client, const Sample& before) {
    BASE_ASSIGN(const json::Value reply, client.call("domain.list", "{\"details\":true}"));
    Sample sample;
    sample.when = Clock::now();
    const double elapsed_us = std::chrono::duration<double, std::micro>(sample.when - before.when).count();
    for (const json::Value& domain : list_of(reply, "domains")) {
        Row row{number_of(domain, "id"),
                text_of(domain, "name"),
                text_of(domain, "state"),
                0,
                number_of(domain, "cpu_time_us"),
                number_of(domain, "memory_bytes"),
                number_of(domain, "resident_bytes"),
                number_of(domain, "uptime_ms")};
        sample.cpu_time_us[row.id] = row.cpu_time_us;
        const auto known = before.cpu_time_us.find(row.id);
        if (known != before.cpu_time_us.end() && row.cpu_time_us >= known->second) {
            row.cpu_percent = 100.0 * static_cast<double>(row.cpu_time_us - known->second) / elapsed_us;
        }
        sample.rows.push_back(std::move(row));
    }
    std::stable_sort(sample.rows.begin(), sample.rows.end(),
                     [](const Row& a, const Row& b) { return a.cpu_percent > b.cpu_percent; });
    return sample;
}

std::string as_json(const Sample& sample) {
    std::string text;
    json::Writer writer(text);
    writer.begin_object().key("domains").begin_array();
    for (const Row& row : sample.rows) {
        writer.begin_object()
            .member("id", row.id)
            .member("name", row.name)
            .member("state", row.state)
            .member("cpu_percent", row.cpu_percent)
            .member("cpu_time_us", row.cpu_time_us)
            .member("memory_bytes", row.memory)
            .member("resident_bytes", row.resident)
            .member("uptime_ms", row.uptime_ms)
            .end_object();
    }
    writer.end_array().end_object();
    return text.append("\n");
}

std::string as_table(const Sample& sample, std::size_t most_rows) {
    double cpu = 0;
    std::uint64_t resident = 0;
    for (const Row& row : sample.rows) {
        cpu += row.cpu_percent;
        resident += row.resident;
    }
    char head[128];
    std::snprintf(head, sizeof head, "%zu domains, CPU %.1f%%, resident %s\n\n", sample.rows.size(), cpu,
                  bytes_text(resident).c_str());
    Table table({"NAME", "ID", "STATE", "CPU%", "CPU TIME", "MEM", "RESIDENT", "UPTIME"});
    for (std::size_t i = 0; i < std::min(sample.rows.size(), most_rows); ++i) {
        const Row& row = sample.rows[i];
        char percent[16];
        std::snprintf(percent, sizeof percent, "%.1f", row.cpu_percent);
        table.add({row.name, std::to_string(row.id), row.state, percent,
                   micros_text(static_cast<double>(row.cpu_time_us)), bytes_text(row.memory), bytes_text(row.resident),
                   duration_text(row.uptime_ms)});
    }
    return head + table.text();
}

class Top final : public Verb {
 public:
    const char* name() const override { return "top"; }
    const char* help() const override { return "Show the busiest domains, again and again; q leaves"; }
    void declare(Arguments& arguments) override {
        arguments.option("-i,--interval", interval_, "S", "Seconds between two looks; default 1");
        arguments.flag("--once", once_, "One table, then end");
    }
    base::Result<int> run(const Context& context) override {
        BASE_ASSIGN(Client client, context.connect());
        const RawTerminal keys(once_ ? -1 : STDIN_FILENO);
        BASE_ASSIGN(Sample sample, look(client, Sample{}));
        bool leave = pause(first_look_s, keys.active());
        while (!leave) {
            BASE_ASSIGN(sample, look(client, sample));
            show(sample, context.common.json);
            leave = once_ || pause(interval_, keys.active());
        }
        return exit_good;
    }

 private:
    // True: the person wants to leave.
    static bool pause(double seconds, bool keys) {
        constexpr char interrupt = 3;  // Ctrl-C arrives as a key
        pollfd input{keys ? STDIN_FILENO : -1, POLLIN, 0};
        char key = 0;
        return ::poll(&input, 1, static_cast<int>(seconds * 1000)) > 0 &&
               (::read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == interrupt);
    }

    void show(const Sample& sample, bool json) const {
        const unsigned lines = once_ ? 0 : terminal_lines(STDOUT_FILENO);
        if (json) {
            print(as_json(sample));
        } else if (lines > head_lines) {
            print("\033[H\033[2J" + as_table(sample, lines - head_lines));
        } else {
            print(as_table(sample, sample.rows.size()));
        }
    }

    double interval_{1};
    bool once_{false};
};

}  // namespace

std::unique_ptr<Verb> make_top() {
    return std::make_unique<Top>();
}

}  // namespace chaos::cli
