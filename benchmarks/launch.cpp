// SPDX-License-Identifier: Apache-2.0
// How long a launch takes: over the API with a warm pool and with an empty one, and as a whole CLI process. The
// references are measured in between, so that all figures see the same machine.
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/reference.hpp"
#include "benchmarks/support/report.hpp"
#include "benchmarks/support/stats.hpp"

namespace bench {
namespace {

constexpr unsigned warm_level = 32;  // shells in the pool before a timed launch
constexpr unsigned block = 50;       // launches between two looks at the references and at the pool
constexpr std::array phases{"reserve", "channels", "noxs_pages", "park", "parse", "claim",
                            "record",  "image",    "devices",    "boot", "ready"};

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

struct Launches {
    std::vector<double> client_us;                            // request sent until reply received
    std::array<std::vector<double>, phases.size()> phase_us;  // as chaosd timed them
    unsigned from_pool{0};
    unsigned other{0};  // not of the kind that was asked for; not in client_us
};

enum class Pool { warm, empty };

base::Result<void> launch_one(Client& client, const std::string& params, Pool pool, Launches& out) {
    const auto begin = Clock::now();
    BASE_ASSIGN(const std::string_view reply, client.call("domain.create", params));
    const auto end = Clock::now();
    const double id = number_in(reply.substr(reply.find("\"domains\"")), "id").value_or(0);
    const bool from_pool = number_in(reply, "from_pool").value_or(0) != 0;
    out.from_pool += from_pool ? 1 : 0;
    if (from_pool == (pool == Pool::warm)) {
        out.client_us.push_back(micros(begin, end));
        const std::string_view phase_part = reply.substr(reply.find("\"timing\""));
        for (std::size_t i = 0; i < phases.size(); ++i) {
            out.phase_us[i].push_back(number_in(phase_part, phases[i]).value_or(0));
        }
    } else {
        ++out.other;
    }
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

void describe(Report& report, const std::string& section, const Launches& launches) {
    report.add_times(section, launches.client_us);
    report.add(section, "from_pool", launches.from_pool, "");
    report.add(section, "left_out", launches.other, "");
    for (std::size_t i = 0; i < phases.size(); ++i) {
        const double p50 = median(launches.phase_us[i]);
        if (p50 > 0) {
            report.add(section + ", phases", std::string(phases[i]) + "_p50", p50, "us");
            report.add(section + ", phases", std::string(phases[i]) + "_p99", percentile(launches.phase_us[i], 0.99),
                       "us");
        }
    }
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
    describe(report, "API, warm pool", warm);
    describe(report, "API, empty pool", empty);
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
