// SPDX-License-Identifier: Apache-2.0
// In dom0 of a real Xen: what a launch costs the more guests run. Through chaosd as many as fit, without a store; then a
// xenstored is started, and xl makes as many as it is told. Leaves the times of every launch for a plot.
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/launches.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/process_stats.hpp"
#include "benchmarks/support/reference.hpp"
#include "benchmarks/support/report.hpp"
#include "benchmarks/support/stats.hpp"
#include "benchmarks/xen/host.hpp"
#include "benchmarks/xen/xl.hpp"

namespace bench::xen {
namespace {

using namespace std::chrono_literals;

constexpr unsigned shells = 8;
constexpr unsigned edge = 50;               // the first and the last launches
constexpr double reserve_kib = 256 * 1024;  // stop before Xen has no memory left
constexpr auto ask_interval = 5ms;

struct Growth {
    std::vector<double> launch_us;
    std::vector<double> reference_us;  // an empty process in front of each: the machine itself drifts
    double free_kib{0};
    double kib_per_guest{0};
    double dom0_kib_per_guest{0};
};

std::vector<double> head(const std::vector<double>& all) {
    return {all.begin(), all.begin() + std::min<std::ptrdiff_t>(edge, std::ssize(all))};
}
std::vector<double> tail(const std::vector<double>& all) {
    return {all.end() - std::min<std::ptrdiff_t>(edge, std::ssize(all)), all.end()};
}

// Until that many guests run, memory or time ends; `settle` says whether there is room for one more, `launch` returns
// microseconds.
template <class Settle, class Launch>
base::Result<Growth> grow(const Host& host, const Options& options, const std::string& who, Settle settle,
                          Launch launch) {
    const unsigned most = options.number(who + "guests");
    const double seconds = options.number(who + "seconds");
    const std::vector<std::string> reference{options.text("busybox"), "true"};
    Growth growth;
    BASE_ASSIGN(const double free_before, host.free_kib());
    const double available_before = available_kib();
    const auto begin = Clock::now();
    double free = free_before;
    while (growth.launch_us.size() < most && free > reserve_kib && micros(begin, Clock::now()) < seconds * 1e6 &&
           settle()) {
        BASE_ASSIGN(const double empty, timed_run(reference));
        growth.reference_us.push_back(empty);
        BASE_ASSIGN(const double time, launch(growth.launch_us.size()));
        growth.launch_us.push_back(time);
        BASE_ASSIGN(free, host.free_kib());
        if (growth.launch_us.size() % 100 == 0) {
            std::fprintf(stderr, "  %zu guests, %.0f us\n", growth.launch_us.size(), median(tail(growth.launch_us)));
        }
    }
    const auto count = static_cast<double>(growth.launch_us.size());
    growth.free_kib = free;
    growth.kib_per_guest = (free_before - free) / count;
    growth.dom0_kib_per_guest = (available_before - available_kib()) / count;
    return growth;
}

struct ChaosGrowth {
    Growth growth;
    Launches launches;
    std::vector<double> again_us;  // the first launches once more, when all guests are gone: the machine itself drifts
};

base::Result<ChaosGrowth> grow_chaos(const Host& host, const Options& options) {
    BASE_ASSIGN(auto daemon, PrivateDaemon::start({"--hypervisor", "xen"}));
    BASE_ASSIGN(auto client, daemon.connect());
    BASE_TRY(daemon.set_pool(client, shells, shells));
    const std::string params = R"({"config":)" + daemon.config_of("noop") + R"(,"wait":"ready"})";
    ChaosGrowth out;
    const auto settle = [&] { return daemon.await_shells(client, shells, ask_interval).has_value(); };
    const auto launch = [&](std::size_t) -> base::Result<double> {
        const auto begin = Clock::now();
        BASE_TRY(out.launches.add(client, params, Pool::warm));
        return micros(begin, Clock::now());
    };
    for (unsigned i = 0; i < edge; ++i) {  // the first of all would pay for cold caches
        settle();
        BASE_TRY(launch(i));
        BASE_TRY(client.call("domain.destroy", R"({"all":true})"));
    }
    out.launches = {};
    BASE_ASSIGN(out.growth, grow(host, options, "", settle, launch));
    const Launches kept = out.launches;
    BASE_TRY(client.call("domain.destroy", R"({"all":true})"));
    std::this_thread::sleep_for(2s);
    for (unsigned i = 0; i < edge; ++i) {
        settle();
        BASE_ASSIGN(const double time, launch(i));
        out.again_us.push_back(time);
    }
    out.launches = kept;
    return out;
}

double last_by_first(const std::vector<double>& all) {
    return median(tail(all)) / median(head(all));
}

void describe(Report& report, const std::string& section, const Growth& growth) {
    report.add(section, "guests", static_cast<double>(growth.launch_us.size()), "");
    report.add(section, "xen_memory_left", growth.free_kib, "KiB");
    report.add(section, "first_50_p50", median(head(growth.launch_us)), "us");
    report.add(section, "last_50_p50", median(tail(growth.launch_us)), "us");
    report.add(section, "last / first", last_by_first(growth.launch_us), "");
    report.add(section, "last / first, busybox true meanwhile", last_by_first(growth.reference_us), "");
    report.add(section, "all_p99", percentile(growth.launch_us, 0.99), "us");
    report.add(section, "xen_memory_per_guest", growth.kib_per_guest, "KiB");
    report.add(section, "dom0_memory_per_guest", growth.dom0_kib_per_guest, "KiB");
}

void describe_phases(Report& report, const std::string& section, const Launches& launches) {
    for (std::size_t i = 0; i < phases.size(); ++i) {
        report.add(section, std::string(phases[i]) + "_first_50_p50", median(head(launches.phase_us[i])), "us");
        report.add(section, std::string(phases[i]) + "_last_50_p50", median(tail(launches.phase_us[i])), "us");
    }
}

std::string list(const std::vector<double>& times) {
    std::string out;
    for (const double time : times) {
        out += (out.empty() ? "" : ",") + std::to_string(static_cast<long>(time));
    }
    return "[" + out + "]";
}

base::Result<Growth> grow_xl(const Host& host, const Options& options) {
    BASE_TRY(timed_run({options.text("xl-up"), "xenstored"}));
    const Xl xl(options.text("xl"), options.text("guest"), "/tmp");
    BASE_ASSIGN(auto growth, grow(
                                 host, options, "xl-", [] { return true; },
                                 [&xl](std::size_t i) { return xl.create("xl" + std::to_string(i)); }));
    for (std::size_t i = growth.launch_us.size(); i-- > 0;) {
        BASE_TRY(xl.destroy("xl" + std::to_string(i)));
    }
    return growth;
}

base::Result<Report> run(const Options& options) {
    BASE_ASSIGN(const auto host, Host::open());
    Report report("xen-density");
    BASE_ASSIGN(const auto chaos, grow_chaos(host, options));
    const auto& times = chaos.growth.launch_us;
    describe(report, "API, from a shell, ready", chaos.growth);
    report.add("API, from a shell, ready", "first_50_again_p50", median(chaos.again_us), "us");
    describe_phases(report, "API, from a shell, ready, phases", chaos.launches);
    report.add_goal_at_least("guests running", static_cast<double>(times.size()), 500);
    report.add_goal("chaos, last 50 p50 / first 50 p50", last_by_first(times), 1.2);
    report.add_goal("the same, against the first 50 once more at the end", median(tail(times)) / median(chaos.again_us),
                    1.2);
    Growth xl;
    if (!options.text("xl").empty()) {
        BASE_ASSIGN(xl, grow_xl(host, options));
        describe(report, "xl create", xl);
    }
    if (!options.text("times").empty()) {
        BASE_TRY(write_file(options.text("times"),
                            "{\"xl_us\":" + list(xl.launch_us) + ",\n\"chaos_us\":" + list(times) + "}\n"));
    }
    return report;
}

}  // namespace
}  // namespace bench::xen

int main(int argc, char** argv) {
    const bench::Options options(argc, argv,
                                 {{"guests", "4000"},
                                  {"seconds", "240"},
                                  {"xl", ""},
                                  {"xl-up", "/usr/bin/xl-up"},
                                  {"guest", "build/guests/noop.elf"},
                                  {"xl-guests", "100"},
                                  {"xl-seconds", "150"},
                                  {"busybox", "/usr/bin/busybox"},
                                  {"times", ""}});
    return bench::publish(bench::xen::run(options), options.text("json"));
}
