// SPDX-License-Identifier: Apache-2.0
// Create and destroy without pause, several in flight, while the pool refills behind: the rate, and whether memory
// stays flat.
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/process_stats.hpp"
#include "benchmarks/support/report.hpp"
#include "benchmarks/support/stats.hpp"

namespace bench {
namespace {

struct Lane {
    Client client;
    bool creating{true};
    Clock::time_point sent;
};

struct Sample {
    double available_kib, daemons_kib;
};

struct Totals {
    std::vector<double> create_us;
    unsigned from_pool{0};
    std::vector<Sample> samples;
};

// Takes the reply of a lane and sends its next request.
base::Result<void> advance(Lane& lane, const std::string& create, Totals& totals) {
    BASE_ASSIGN(const std::string_view reply, lane.client.receive());
    BASE_TRY(check_reply(reply));
    if (!lane.creating) {
        lane.creating = true;
        lane.sent = Clock::now();
        return lane.client.send("domain.create", create);
    }
    totals.create_us.push_back(micros(lane.sent, Clock::now()));
    totals.from_pool += number_in(reply, "from_pool").value_or(0) != 0 ? 1 : 0;
    const double id = number_in(reply.substr(reply.find("\"domains\"")), "id").value_or(0);
    lane.creating = false;
    return lane.client.send("domain.destroy", "{\"id\":" + std::to_string(static_cast<long>(id)) + "}");
}

Sample sample_of(const PrivateDaemon& daemon) {
    return {available_kib(), memory_of(daemon.chaosd()).pss_kib + memory_of(daemon.owner()).pss_kib};
}

base::Result<void> churn(const PrivateDaemon& daemon, std::vector<Lane>& lanes, double seconds, Totals& totals) {
    const std::string create = R"({"config":)" + daemon.config_of("noop") + R"(,"wait":"ready"})";
    const auto begin = Clock::now();
    for (Lane& lane : lanes) {
        lane.sent = begin;
        BASE_TRY(lane.client.send("domain.create", create));
    }
    std::vector<pollfd> waiting;
    for (const Lane& lane : lanes) {
        waiting.push_back({lane.client.fd(), POLLIN, 0});
    }
    while (micros(begin, Clock::now()) < seconds * 1e6) {
        ::poll(waiting.data(), waiting.size(), 5000);
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            if (waiting[i].revents != 0) {
                BASE_TRY(advance(lanes[i], create, totals));
            }
        }
        if (micros(begin, Clock::now()) >= static_cast<double>(totals.samples.size()) * 1e6) {
            totals.samples.push_back(sample_of(daemon));
        }
    }
    for (Lane& lane : lanes) {
        BASE_TRY(lane.client.receive());
    }
    return {};
}

double mean(const std::vector<Sample>& samples, std::size_t from, std::size_t to, double Sample::*member) {
    double sum = 0;
    for (std::size_t i = from; i < to; ++i) {
        sum += samples[i].*member;
    }
    return to > from ? sum / static_cast<double>(to - from) : 0;
}

void add_memory(Report& report, const std::vector<Sample>& samples) {
    const std::size_t third = samples.size() / 3;
    const std::size_t all = samples.size();
    const double daemons_first = mean(samples, 0, third, &Sample::daemons_kib);
    const double daemons_last = mean(samples, all - third, all, &Sample::daemons_kib);
    report.add("memory", "daemons_first_third", daemons_first, "KiB");
    report.add("memory", "daemons_last_third", daemons_last, "KiB");
    report.add("memory", "available_first_third", mean(samples, 0, third, &Sample::available_kib), "KiB");
    report.add("memory", "available_last_third", mean(samples, all - third, all, &Sample::available_kib), "KiB");
    report.add_goal("daemons' memory, last third / first third", daemons_last / std::max(1.0, daemons_first), 1.1);
}

base::Result<Report> run(const Options& options) {
    BASE_ASSIGN(auto daemon, PrivateDaemon::start({"--hypervisor", options.text("hypervisor")}));
    BASE_ASSIGN(auto client, daemon.connect());
    BASE_TRY(daemon.set_pool(client, 64, 256));
    BASE_TRY(daemon.await_shells(client, 64));
    std::vector<Lane> lanes;
    for (unsigned i = 0; i < std::max(1U, options.number("in-flight")); ++i) {
        BASE_ASSIGN(auto connection, daemon.connect());
        lanes.push_back({std::move(connection), true, {}});
    }
    const double seconds = options.number("seconds");
    Totals totals;
    BASE_TRY(churn(daemon, lanes, seconds, totals));

    Report report("churn", daemon.driver());
    const auto launches = static_cast<double>(totals.create_us.size());
    report.add("churn", "seconds", seconds, "");
    report.add("churn", "in_flight", static_cast<double>(lanes.size()), "");
    report.add("churn", "guests_per_second", launches / seconds, "");
    report.add("churn", "from_pool", 100 * totals.from_pool / std::max(1.0, launches), "percent");
    report.add_times("create, wait ready", totals.create_us);
    add_memory(report, totals.samples);
    if (daemon.driver() == "process") {
        report.add_goal_at_least("guests created and destroyed per second", launches / seconds, 1500);
    }
    return report;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Options options(argc, argv, {{"seconds", "30"}, {"in-flight", "4"}, {"hypervisor", "auto"}});
    return bench::publish(bench::run(options), options.text("json"));
}
