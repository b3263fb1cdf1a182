// SPDX-License-Identifier: Apache-2.0
// How long a launch takes: over the API with a warm pool and with an empty one, and as a whole CLI process. The
// references are measured in between, so that all figures see the same machine.
#include <cstdio>
#include <string>
#include <vector>

#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/launches.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/reference.hpp"
#include "benchmarks/support/report.hpp"
#include "benchmarks/support/stats.hpp"

namespace bench {
namespace {

constexpr unsigned warm_level = 32;  // shells in the pool before a timed launch
constexpr unsigned block = 50;       // launches between two looks at the references and at the pool

struct References {
    std::vector<double> spawn_us, wake_us;

    base::Result<void> measure(ParkedProcess& parked, unsigned spawns) {
        for (unsigned i = 0; i < spawns; ++i) {
            BASE_ASSIGN(const double spawn, timed_run({"/bin/true"}));
            spawn_us.push_back(spawn);
            wake_us.push_back(parked.timed_wake());
        }
        return {};
    }
};

base::Result<void> launch_one(Client& client, const std::string& params, Pool pool, Launches& out) {
    BASE_ASSIGN(const double id, out.add(client, params, pool));
    return destroy(client, id);
}

base::Result<Launches> launch_many(const PrivateDaemon& daemon, Client& client, Pool pool, unsigned count,
                                   ParkedProcess& parked, References& references) {
    const std::string params = R"({"config":)" + daemon.config_of("noop") + R"(,"wait":"ready"})";
    BASE_TRY(daemon.set_pool(client, pool == Pool::warm ? 2 * warm_level : 0, pool == Pool::warm ? 256 : 0));
    Launches launches;
    for (unsigned i = 0; i < count; ++i) {
        if (i % block == 0) {
            BASE_TRY(references.measure(parked, 20));
        }
        if (pool == Pool::warm && i % (warm_level / 2) == 0) {
            BASE_TRY(daemon.await_shells(client, warm_level));
        }
        BASE_TRY(launch_one(client, params, pool, launches));
    }
    return launches;
}

base::Result<std::vector<double>> launch_by_cli(const PrivateDaemon& daemon, Client& client, unsigned count) {
    const std::string path = daemon.runtime_dir() + "/bench.json";
    FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) {
        return base::fail(base::Code::io_error, "can't write " + path);
    }
    std::fputs(daemon.config_of("noop").c_str(), file);
    std::fclose(file);
    BASE_TRY(daemon.set_pool(client, 2 * warm_level, 256));
    std::vector<double> times;
    for (unsigned i = 0; i < count; ++i) {
        BASE_TRY(daemon.await_shells(client, warm_level));
        BASE_ASSIGN(const double time,
                    timed_run({daemon.build_dir() + "/bin/chaos", "--socket", daemon.socket_path(), "create", path}));
        times.push_back(time);
        BASE_TRY(client.call("domain.destroy", R"({"all":true})"));
    }
    return times;
}

base::Result<Report> run(const Options& options) {
    BASE_ASSIGN(auto parked, ParkedProcess::start());
    BASE_ASSIGN(auto daemon, PrivateDaemon::start());
    BASE_ASSIGN(auto client, daemon.connect());
    References references;
    const unsigned count = options.number("count");
    BASE_ASSIGN(const auto warm, launch_many(daemon, client, Pool::warm, count, parked, references));
    BASE_ASSIGN(const auto empty, launch_many(daemon, client, Pool::empty, count / 4, parked, references));
    BASE_ASSIGN(const auto cli, launch_by_cli(daemon, client, count / 10));

    Report report("launch");
    report.add_times("reference: posix_spawn /bin/true", references.spawn_us);
    report.add_times("reference: wake a parked process", references.wake_us);
    warm.describe(report, "API, warm pool");
    empty.describe(report, "API, empty pool");
    report.add_times("CLI process, warm pool", cli);
    const double spawn = median(references.spawn_us);
    report.add_goal("warm p50 / spawn p50", median(warm.client_us) / spawn, 0.25);
    report.add_goal("warm p99 / spawn p50", percentile(warm.client_us, 0.99) / spawn, 1.0);
    report.add_goal("warm p50 / bare limit p50 (aim)", median(warm.client_us) / median(references.wake_us), 5.0);
    report.add_goal("empty pool p50 / spawn p50", median(empty.client_us) / spawn, 2.0);
    report.add_goal("CLI p50 / spawn p50", median(cli) / spawn, 5.0);
    return report;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Options options(argc, argv, {{"count", "2000"}});
    return bench::publish(bench::run(options), options.text("json"));
}
