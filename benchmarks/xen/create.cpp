// SPDX-License-Identifier: Apache-2.0
// In dom0 of a real Xen: the same guest through chaosd's API, through the whole process `chaos`, and through `xl` where
// it is there. Rounds of everything, so that all figures see the same minutes of the same boot.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/launches.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/reference.hpp"
#include "benchmarks/support/report.hpp"
#include "benchmarks/support/stats.hpp"
#include "benchmarks/xen/xl.hpp"

namespace bench::xen {
namespace {

using namespace std::chrono_literals;

constexpr unsigned shells = 16;            // parked before a launch from the pool
constexpr unsigned singles_per_round = 8;  // launches with the pool full and the refill asleep
constexpr unsigned burst_per_round = 8;    // launches one behind the other, the refill behind them
constexpr unsigned processes_per_round = 4;
constexpr unsigned shellless_rounds = 5;  // rounds between two without a pool
constexpr unsigned shellless_burst = 20;
constexpr auto ask_interval = 5ms;
constexpr auto settle_time = 300ms;  // until the shells of a pool that was removed are gone

struct Figures {
    Launches ready, created, burst, shellless;
    std::vector<double> destroy_us;
    std::vector<double> cli_create_us, cli_destroy_us;
    std::vector<double> xl_create_us, xl_destroy_us, xl_start_us;
    std::vector<double> busybox_us;
};

class Run {
 public:
    Run(const PrivateDaemon& daemon, Client& client, std::optional<Xl> xl, std::string busybox)
        : daemon_(daemon), client_(client), xl_(std::move(xl)), busybox_(std::move(busybox)) {}

    base::Result<void> prepare() {
        BASE_TRY(write_file(guest_path(), daemon_.config_of("noop")));
        BASE_TRY(warm());
        Figures thrown_away;  // what only the first launches pay for: cold caches, xl's first look at its files
        std::swap(figures_, thrown_away);
        BASE_TRY(round());
        std::swap(figures_, thrown_away);
        return {};
    }

    base::Result<void> round() {
        for (unsigned i = 0; i < processes_per_round; ++i) {
            BASE_TRY(note(figures_.busybox_us, timed_run({busybox_, "true"})));
        }
        BASE_TRY(xl_guest());
        BASE_TRY(singles("ready", figures_.ready));
        BASE_TRY(singles("created", figures_.created));
        BASE_TRY(cli_guests());
        BASE_TRY(fill());
        return burst(figures_.burst, Pool::warm, burst_per_round);
    }

    base::Result<void> without_shells() {
        BASE_TRY(no_shells());
        BASE_TRY(burst(figures_.shellless, Pool::empty, shellless_burst));
        return warm();
    }

    const Figures& figures() const { return figures_; }

 private:
    static base::Result<void> note(std::vector<double>& into, const base::Result<double>& time) {
        BASE_TRY(time);
        into.push_back(*time);
        return {};
    }

    std::string guest_path() const { return daemon_.runtime_dir() + "/guest.json"; }
    std::string params(const std::string& wait) const {
        return R"({"config":)" + daemon_.config_of("noop") + R"(,"wait":")" + wait + "\"}";
    }

    base::Result<void> fill() { return daemon_.await_shells(client_, shells, ask_interval); }
    base::Result<void> warm() {
        BASE_TRY(daemon_.set_pool(client_, shells, shells));
        return fill();
    }

    base::Result<void> no_shells() {
        BASE_TRY(daemon_.set_pool(client_, 0, 0));
        std::this_thread::sleep_for(settle_time);
        return {};
    }

    base::Result<void> timed_destroy(double id) {
        const auto begin = Clock::now();
        BASE_TRY(destroy(client_, id));
        figures_.destroy_us.push_back(micros(begin, Clock::now()));
        return {};
    }

    base::Result<void> singles(const std::string& wait, Launches& into) {
        for (unsigned i = 0; i < singles_per_round; ++i) {
            BASE_TRY(fill());
            BASE_ASSIGN(const double id, into.add(client_, params(wait), Pool::warm));
            BASE_TRY(fill());
            BASE_TRY(timed_destroy(id));
        }
        return {};
    }

    base::Result<void> burst(Launches& into, Pool pool, unsigned count) {
        std::vector<double> ids;
        for (unsigned i = 0; i < count; ++i) {
            BASE_ASSIGN(const double id, into.add(client_, params("ready"), pool));
            ids.push_back(id);
        }
        for (const double id : ids) {
            BASE_TRY(destroy(client_, id));
        }
        return {};
    }

    base::Result<void> cli_guests() {
        const std::string chaos = daemon_.build_dir() + "/bin/chaos";
        for (unsigned i = 0; i < processes_per_round; ++i) {
            BASE_TRY(fill());
            BASE_TRY(note(figures_.cli_create_us,
                          timed_run({chaos, "--socket", daemon_.socket_path(), "create", guest_path(), "name=timed"})));
            BASE_TRY(fill());
            BASE_TRY(note(figures_.cli_destroy_us,
                          timed_run({chaos, "--socket", daemon_.socket_path(), "destroy", "timed"})));
        }
        return {};
    }

    base::Result<void> xl_guest() {
        if (!xl_) {
            return {};
        }
        BASE_TRY(no_shells());  // xl looks at every domain there is: ours must not slow it down
        BASE_TRY(note(figures_.xl_start_us, xl_->start()));
        BASE_TRY(note(figures_.xl_create_us, xl_->create("timed-xl")));
        BASE_TRY(note(figures_.xl_destroy_us, xl_->destroy("timed-xl")));
        return warm();
    }

    const PrivateDaemon& daemon_;
    Client& client_;
    std::optional<Xl> xl_;
    std::string busybox_;
    Figures figures_;
};

// How many times as long `slow` takes as `fast`, by their medians and by their 99th percentiles.
void add_ratio(Report& report, const std::string& what, const std::vector<double>& slow,
               const std::vector<double>& fast, double at_least) {
    report.add_goal_at_least(what, median(slow) / median(fast), at_least);
    report.add("ratios, p99 / p99", what, percentile(slow, 0.99) / percentile(fast, 0.99), "");
}

Report describe(const Figures& figures, const std::string& store) {
    Report report("xen-create, " + store);
    report.add_times("busybox true, process", figures.busybox_us);
    figures.ready.describe(report, "API, from a shell, ready");
    figures.created.describe(report, "API, from a shell, created");
    figures.burst.describe(report, "API, from a shell, ready, burst of 8");
    figures.shellless.describe(report, "API, no shells, ready");
    report.add_times("API destroy", figures.destroy_us);
    report.add_times("chaos create, process", figures.cli_create_us);
    report.add_times("chaos destroy, process", figures.cli_destroy_us);
    if (figures.xl_create_us.empty()) {
        return report;
    }
    report.add_times("xl create, process", figures.xl_create_us);
    report.add_times("xl destroy, process", figures.xl_destroy_us);
    report.add_times("xl uptime, process", figures.xl_start_us);
    const auto& create = figures.xl_create_us;
    add_ratio(report, "xl create / API from a shell, ready", create, figures.ready.client_us, 80);
    add_ratio(report, "xl create / API without shells, ready", create, figures.shellless.client_us, 40);
    add_ratio(report, "xl create / chaos create, processes", create, figures.cli_create_us, 12);
    add_ratio(report, "xl destroy / API destroy", figures.xl_destroy_us, figures.destroy_us, 20);
    report.add("ratios, p50 / p50", "xl create / API from a shell, created",
               median(create) / median(figures.created.client_us), "");
    report.add("ratios, p50 / p50", "xl create / API from a shell, ready, burst of 8",
               median(create) / median(figures.burst.client_us), "");
    report.add("ratios, p50 / p50", "xl destroy / chaos destroy, processes",
               median(figures.xl_destroy_us) / median(figures.cli_destroy_us), "");
    return report;
}

base::Result<Report> run(const Options& options) {
    BASE_ASSIGN(auto daemon, PrivateDaemon::start({"--hypervisor", "xen"}));
    BASE_ASSIGN(auto client, daemon.connect());
    std::optional<Xl> xl;
    if (!options.text("xl").empty()) {
        xl.emplace(options.text("xl"), daemon.build_dir() + "/guests/noop.elf", daemon.runtime_dir());
    }
    Run all(daemon, client, std::move(xl), options.text("busybox"));
    BASE_TRY(all.prepare());
    const unsigned rounds = options.number("rounds");
    for (unsigned i = 0; i < rounds; ++i) {
        BASE_TRY(all.round());
        if (i % shellless_rounds == 0) {
            BASE_TRY(all.without_shells());
            std::fprintf(stderr, "  round %u of %u\n", i + 1, rounds);
        }
    }
    return describe(all.figures(), options.text("store"));
}

}  // namespace
}  // namespace bench::xen

int main(int argc, char** argv) {
    const bench::Options options(argc, argv,
                                 {{"rounds", "30"}, {"store", "none"}, {"xl", ""}, {"busybox", "/usr/bin/busybox"}});
    return bench::publish(bench::xen::run(options), options.text("json"));
}
