// SPDX-License-Identifier: Apache-2.0
// What the daemons use while nothing happens: full pool, some guests that wait.
#include <chrono>
#include <string>
#include <thread>

#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/process_stats.hpp"
#include "benchmarks/support/report.hpp"

namespace bench {
namespace {

base::Result<Report> run(const Options& options) {
    BASE_ASSIGN(auto daemon, PrivateDaemon::start({"--hypervisor", options.text("hypervisor")}));
    BASE_ASSIGN(auto client, daemon.connect());
    BASE_TRY(daemon.set_pool(client, 16, 16));
    BASE_TRY(client.call("domain.create", R"({"config":)" + daemon.config_of("noop") + R"(,"wait":"ready","count":)" +
                                              options.text("guests") + "}"));
    BASE_TRY(daemon.await_shells(client, 16));
    std::this_thread::sleep_for(std::chrono::seconds(1));

    const auto chaosd = cpu_ns(daemon.chaosd());
    const auto owner = cpu_ns(daemon.owner());
    const unsigned seconds = options.number("seconds");
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    const double chaosd_us = static_cast<double>(cpu_ns(daemon.chaosd()) - chaosd) / 1e3;
    const double owner_us = static_cast<double>(cpu_ns(daemon.owner()) - owner) / 1e3;

    Report report("idle", daemon.driver());
    report.add("idle daemons", "seconds", seconds, "");
    report.add("idle daemons", "chaosd_cpu", chaosd_us, "us");
    report.add("idle daemons", "chaos_hv_cpu", owner_us, "us");
    report.add_goal("CPU of both, us", chaosd_us + owner_us, 0);
    return report;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Options options(argc, argv, {{"seconds", "10"}, {"guests", "100"}, {"hypervisor", "auto"}});
    return bench::publish(bench::run(options), options.text("json"));
}
