// SPDX-License-Identifier: Apache-2.0
// In dom0 of a real Xen: guests made and destroyed a thousand times; what Xen and dom0 count before and after.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <thread>

#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/process_stats.hpp"
#include "benchmarks/support/report.hpp"
#include "benchmarks/support/stats.hpp"
#include "benchmarks/xen/host.hpp"

namespace bench::xen {
namespace {

using namespace std::chrono_literals;

constexpr unsigned shells = 16;
constexpr unsigned warm_up = 100;
constexpr auto ask_interval = 5ms;
constexpr auto settle_time = 1s;  // Xen frees a domain's last pages a moment after its destruction

base::Result<Use> settled(const Host& host, const PrivateDaemon& daemon, Client& client) {
    BASE_TRY(daemon.await_shells(client, shells, ask_interval));
    std::this_thread::sleep_for(settle_time);
    return host.use(daemon.chaosd());
}

base::Result<void> cycle(Client& client, const std::string& params, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        BASE_ASSIGN(const std::string_view reply, client.call("domain.create", params));
        BASE_TRY(destroy(client, number_in(reply.substr(reply.find("\"domains\"")), "id").value_or(0)));
        if ((i + 1) % 250 == 0) {
            std::fprintf(stderr, "  %u cycles\n", i + 1);
        }
    }
    return {};
}

void add_use(Report& report, const std::string& section, const Use& use, const MemoryUse& chaosd) {
    report.add(section, "xen_free", use.free_kib, "KiB");
    report.add(section, "domains", use.domains, "");
    report.add(section, "dying_domains", use.dying, "");
    report.add(section, "dom0_event_channels", use.dom0_ports, "");
    report.add(section, "chaosd_descriptors", use.descriptors, "");
    report.add(section, "chaosd_maps", use.maps, "");
    report.add(section, "chaosd_grant_maps", use.grant_maps, "");
    report.add(section, "chaosd_foreign_maps", use.foreign_maps, "");
    report.add(section, "chaosd_private", chaosd.private_kib, "KiB");
}

base::Result<Report> run(const Options& options) {
    BASE_ASSIGN(const auto host, Host::open());
    BASE_ASSIGN(const double bare, host.free_kib());
    Report report("xen-leaks");
    {
        BASE_ASSIGN(auto daemon, PrivateDaemon::start({"--hypervisor", "xen"}));
        BASE_ASSIGN(auto client, daemon.connect());
        BASE_TRY(daemon.set_pool(client, shells, shells));
        const std::string params = R"({"config":)" + daemon.config_of("noop") + R"(,"wait":"ready"})";
        BASE_TRY(cycle(client, params, warm_up));
        BASE_ASSIGN(const auto before, settled(host, daemon, client));
        const auto memory_before = memory_of(daemon.chaosd());
        const auto begin = Clock::now();
        BASE_TRY(cycle(client, params, options.number("cycles")));
        const double elapsed = micros(begin, Clock::now()) / 1e6;
        BASE_ASSIGN(const auto after, settled(host, daemon, client));
        const auto memory_after = memory_of(daemon.chaosd());
        report.add("cycles", "count", options.number("cycles"), "");
        report.add("cycles", "per_second", options.number("cycles") / elapsed, "");
        add_use(report, "before", before, memory_before);
        add_use(report, "after", after, memory_after);
        report.add_goal("Xen's free memory lost, KiB", before.free_kib - after.free_kib, 0);
        report.add_goal("domains left, dying ones included", static_cast<double>(after.domains) - before.domains, 0);
        report.add_goal("event channels of dom0 left", static_cast<double>(after.dom0_ports) - before.dom0_ports, 0);
        report.add_goal("descriptors of chaosd left", static_cast<double>(after.descriptors) - before.descriptors, 0);
        report.add_goal("maps of grants left", static_cast<double>(after.grant_maps) - before.grant_maps, 0);
        report.add_goal("maps of guest memory left", static_cast<double>(after.foreign_maps) - before.foreign_maps, 0);
    }
    std::this_thread::sleep_for(settle_time);
    BASE_ASSIGN(const double end, host.free_kib());
    report.add_goal("Xen's free memory lost, chaosd and its shells gone, KiB", bare - end, 0);
    return report;
}

}  // namespace
}  // namespace bench::xen

int main(int argc, char** argv) {
    const bench::Options options(argc, argv, {{"cycles", "1000"}});
    return bench::publish(bench::xen::run(options), options.text("json"));
}
