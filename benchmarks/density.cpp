// SPDX-License-Identifier: Apache-2.0
// Thousands of idle guests at once: what the last launches cost against the first, and what a guest costs in memory
// and CPU.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/process_stats.hpp"
#include "benchmarks/support/reference.hpp"
#include "benchmarks/support/report.hpp"
#include "benchmarks/support/stats.hpp"

namespace bench {
namespace {

constexpr unsigned edge = 100;  // the first and the last launches, each with a warm pool
constexpr unsigned process_guests = 8000, kvm_guests = 2000;

base::Result<double> timed_create(Client& client, const std::string& params) {
    const auto begin = Clock::now();
    BASE_TRY(client.call("domain.create", params));
    return micros(begin, Clock::now());
}

// The edges one by one from a warm pool, what lies between as fast as it goes.
base::Result<std::vector<double>> fill(const PrivateDaemon& daemon, Client& client, unsigned guests) {
    const std::string params = R"({"config":)" + daemon.config_of("noop") + R"(,"wait":"ready"})";
    for (unsigned i = 0; i < edge; ++i) {  // the first of all would pay for cold caches
        BASE_TRY(daemon.await_shells(client, 16));
        BASE_TRY(timed_create(client, params));
        BASE_TRY(client.call("domain.destroy", R"({"all":true})"));
    }
    std::vector<double> times;
    times.reserve(guests);
    for (unsigned i = 0; i < guests; ++i) {
        const bool at_edge = i < edge || i + edge >= guests;
        if (at_edge && i % 8 == 0) {
            BASE_TRY(daemon.await_shells(client, 16));
        }
        BASE_ASSIGN(const double time, timed_create(client, params));
        times.push_back(time);
        if ((i + 1) % 1000 == 0) {
            std::fprintf(stderr, "  %u guests\n", i + 1);
        }
    }
    return times;
}

double cpu_seconds(const std::vector<pid_t>& processes) {
    std::uint64_t total = 0;
    for (const pid_t pid : processes) {
        total += cpu_ns(pid);
    }
    return static_cast<double>(total) / 1e9;
}

struct Memory {
    std::string machine;  // /proc/meminfo
    MemoryUse chaosd, owner;
};

// Kinds of /proc/meminfo that have no page in common. Shmem holds the guests' memory and the records of domains;
// VmallocUsed the kernel's stacks. What can be reclaimed counts as available, and is not among them.
constexpr std::array kinds{"AnonPages", "Shmem", "PageTables", "SecPageTables", "SUnreclaim", "VmallocUsed", "Percpu"};

Memory look_at_memory(const PrivateDaemon& daemon) {
    return {slurp("/proc/meminfo"), memory_of(daemon.chaosd()), memory_of(daemon.owner())};
}

double growth(const Memory& before, const Memory& after, const std::string& kind) {
    return field(after.machine, kind) - field(before.machine, kind);
}

void add_kinds(Report& report, const Memory& before, const Memory& after, unsigned guests) {
    const char* const section = "memory per guest, by kind";
    double rest = -growth(before, after, "MemAvailable") / guests;
    for (const std::string kind : kinds) {
        const double share = growth(before, after, kind) / guests;
        report.add(section, kind, share, "KiB");
        rest -= share;
    }
    report.add(section, "KernelStack_of_Vmalloc", growth(before, after, "KernelStack") / guests, "KiB");
    report.add(section, "rest", rest, "KiB");
}

void add_memory(Report& report, const Memory& before, const Memory& after, const PrivateDaemon& daemon,
                const std::vector<pid_t>& processes, unsigned guests) {
    const double count = guests;
    const double all_in = -growth(before, after, "MemAvailable") / count;
    const double chaosd = (after.chaosd.pss_kib - before.chaosd.pss_kib) / count;
    const double owner = (after.owner.pss_kib - before.owner.pss_kib) / count;
    std::vector<double> pss;
    for (std::size_t i = 0; i < processes.size(); i += std::max<std::size_t>(1, processes.size() / 200)) {
        pss.push_back(memory_of(processes[i]).pss_kib);
    }
    report.add("memory per guest", "all_in", all_in, "KiB");
    report.add("memory per guest", "guest_pss_p50", median(pss), "KiB");
    report.add("memory per guest", "chaosd_pss", chaosd, "KiB");
    report.add("memory per guest", "chaosd_private", (after.chaosd.private_kib - before.chaosd.private_kib) / count,
               "KiB");
    report.add("memory per guest", "chaos_hv_pss", owner, "KiB");
    report.add("memory per guest", "chaos_hv_private", (after.owner.private_kib - before.owner.private_kib) / count,
               "KiB");
    report.add("memory per guest", "outside_of_processes", all_in - median(pss) - chaosd - owner, "KiB");
    add_kinds(report, before, after, guests);
    if (daemon.driver() == "process") {
        report.add_goal("all-in KiB per guest", all_in, 300);
        report.add_goal("PSS of chaosd and chaos-hv, KiB per guest", chaosd + owner, 16);
    }
}

// CPU of guests and daemons over some seconds in which nothing is asked of them.
void add_idle(Report& report, const PrivateDaemon& daemon, std::vector<pid_t> processes, unsigned seconds) {
    const std::vector<pid_t> daemons{daemon.chaosd(), daemon.owner()};
    const double guests_before = cpu_seconds(processes);
    const double daemons_before = cpu_seconds(daemons);
    const double machine_before = machine_cpu_seconds();
    const auto begin = Clock::now();
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    const double machine_used = machine_cpu_seconds() - machine_before;
    const double daemons_used = cpu_seconds(daemons) - daemons_before;
    const double guests_used = cpu_seconds(processes) - guests_before;
    const double elapsed = micros(begin, Clock::now()) / 1e6;
    report.add("idle", "seconds", elapsed, "");
    report.add("idle", "guests_cpu", 100 * guests_used / elapsed, "percent");
    report.add("idle", "daemons_cpu", 100 * daemons_used / elapsed, "percent");
    report.add("idle", "whole_machine_cpu", 100 * machine_used / elapsed, "percent");
    report.add_goal("% of one core, all idle guests", 100 * guests_used / elapsed,
                    daemon.driver() == "process" ? 1 : 0);
}

base::Result<Report> run(const Options& options) {
    BASE_ASSIGN(auto daemon, PrivateDaemon::start({"--hypervisor", options.text("hypervisor")}));
    const unsigned by_driver = daemon.driver() == "process" ? process_guests : kvm_guests;
    const unsigned asked = options.number("guests");
    const unsigned guests = std::max(asked == 0 ? by_driver : asked, 2 * edge);
    BASE_ASSIGN(auto client, daemon.connect());
    BASE_TRY(daemon.set_pool(client, 32, 32));
    BASE_TRY(daemon.await_shells(client, 32));
    const Memory before = look_at_memory(daemon);
    const auto begin = Clock::now();
    BASE_ASSIGN(const auto times, fill(daemon, client, guests));
    const double elapsed = micros(begin, Clock::now()) / 1e6;
    BASE_TRY(daemon.await_shells(client, 32));
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const Memory after = look_at_memory(daemon);
    const std::vector<pid_t> processes = descendants_of(daemon.owner());

    Report report("density", daemon.driver());
    const double first = median({times.begin(), times.begin() + edge});
    const double last = median({times.end() - edge, times.end()});
    report.add("guests", "running", guests, "");
    report.add("guests", "processes", static_cast<double>(processes.size()), "");
    report.add("guests", "seconds_to_start_all", elapsed, "");
    report.add("launch", "first_100_p50", first, "us");
    report.add("launch", "last_100_p50", last, "us");
    report.add("launch", "all_p50", median(times), "us");
    report.add("launch", "all_p99", percentile(times, 0.99), "us");
    report.add_goal("last 100 p50 / first 100 p50", last / first, 1.2);
    add_memory(report, before, after, daemon, processes, guests);
    add_idle(report, daemon, processes, options.number("idle-seconds"));
    return report;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Options options(argc, argv,
                                 {{"guests", "0 (by driver)"}, {"idle-seconds", "5"}, {"hypervisor", "auto"}});
    return bench::publish(bench::run(options), options.text("json"));
}
