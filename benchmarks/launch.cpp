// SPDX-License-Identifier: Apache-2.0
// How long a launch takes: over the API with a warm pool and with an empty one, and as a whole CLI process. The
// references are measured in between, so that all figures see the same machine; for the kvm driver, the launches of a
// second daemon with the process driver are among them. So are those of a daemon whose guests have a vif and a vbd.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "benchmarks/support/bare_kvm.hpp"
#include "benchmarks/support/daemon.hpp"
#include "benchmarks/support/launches.hpp"
#include "benchmarks/support/options.hpp"
#include "benchmarks/support/reference.hpp"
#include "benchmarks/support/report.hpp"
#include "benchmarks/support/stats.hpp"

namespace bench {
namespace {

constexpr unsigned warm_level = 32;  // shells in the pool before a timed launch
constexpr unsigned block = 50;       // launches between two looks at the references
constexpr unsigned looks = 20;       // measurements of each reference in a look

class References {
 public:
    static base::Result<References> open() {
        BASE_ASSIGN(auto parked, ParkedProcess::start());
        return References(std::move(parked), usable_kvm());
    }

    base::Result<void> measure() {
        for (unsigned i = 0; i < looks; ++i) {
            BASE_ASSIGN(const double spawn, timed_run({"/bin/true"}));
            spawn_us.push_back(spawn);
            wake_us.push_back(parked_.timed_wake());
        }
        return measure_kvm();
    }

    void describe(Report& report) const {
        report.add_times("reference: posix_spawn /bin/true", spawn_us);
        report.add_times("reference: wake a parked process", wake_us);
        if (!kvm_) {
            report.add_note("the bare KVM reference is left out: " + kvm_.error().message);
            return;
        }
        report.add_times("reference: first KVM_RUN to exit, bare", first_run_us);
        report.add_times("reference: next KVM_RUN to exit, bare", next_run_us);
        report.add_times("reference: KVM doorbell, bare", doorbell_us);
    }

    std::vector<double> spawn_us, wake_us, first_run_us, next_run_us, doorbell_us;

 private:
    References(ParkedProcess parked, base::Result<KvmHost> kvm) : parked_(std::move(parked)), kvm_(std::move(kvm)) {}

    // One machine in advance: a /dev/kvm that opens may still be no use.
    static base::Result<KvmHost> usable_kvm() {
        BASE_ASSIGN(auto host, KvmHost::open());
        BASE_ASSIGN(auto machine, BareVm::prepare(host));
        BASE_TRY(machine.run());
        return host;
    }

    // All machines are made before the first one runs, as the shells of a pool are.
    base::Result<void> measure_kvm() {
        std::vector<BareVm> machines;
        for (unsigned i = 0; kvm_ && i < looks; ++i) {
            BASE_ASSIGN(auto machine, BareVm::prepare(*kvm_));
            machines.push_back(std::move(machine));
        }
        for (BareVm& machine : machines) {
            BASE_ASSIGN(const BareTimes times, machine.run());
            first_run_us.push_back(times.first_run);
            next_run_us.push_back(times.next_run);
            doorbell_us.push_back(times.doorbell);
        }
        return {};
    }

    ParkedProcess parked_;
    base::Result<KvmHost> kvm_;
};

enum class Devices { none, vif_and_vbd };

/// A daemon and what was launched with it.
struct Lane {
    PrivateDaemon daemon;
    Client client;
    Devices devices;
    std::string params;
    Launches warm, empty;
    bool has_pool{false};  // of guests with devices

    static base::Result<Lane> start(const std::string& driver, Devices devices = Devices::none) {
        BASE_ASSIGN(auto daemon, PrivateDaemon::start({"--hypervisor", driver}));
        BASE_ASSIGN(auto client, daemon.connect());
        std::string config = daemon.config_of("noop");
        if (devices == Devices::vif_and_vbd) {
            const std::string disk = daemon.runtime_dir() + "/disk.img";
            const base::Fd file(::open(disk.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
            if (!file || ::ftruncate(file.get(), 1 << 20) != 0) {
                return base::fail_errno(errno, "can't write " + disk);
            }
            config.pop_back();
            config += R"(,"vifs":[{}],"vbds":[{"target":")" + disk + R"("}]})";
            // The flavours of the other lanes are the first, and the only ones, of their daemons; so is this.
            BASE_TRY(daemon.set_pool(client, 0, 0));
        }
        std::string params = R"({"config":)" + config + R"(,"wait":"ready"})";
        return Lane{std::move(daemon), std::move(client), devices, std::move(params), {}, {}, false};
    }

    base::Result<void> set_pool(unsigned floor, unsigned ceiling) {
        if (devices == Devices::none) {
            return daemon.set_pool(client, floor, ceiling);
        }
        if (ceiling == 0 && !has_pool) {
            return {};
        }
        has_pool = ceiling != 0;
        BASE_TRY(client.call("pool.set", R"({"memory":4,"vcpus":1,"vifs":1,"vbds":1,"floor":)" + std::to_string(floor) +
                                             R"(,"ceiling":)" + std::to_string(ceiling) + "}"));
        return {};
    }

    base::Result<void> launch(Pool pool, unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            if (pool == Pool::warm && i % (warm_level / 2) == 0) {
                BASE_TRY(daemon.await_shells(client, warm_level));
            }
            BASE_ASSIGN(const double id, (pool == Pool::warm ? warm : empty).add(client, params, pool));
            BASE_TRY(destroy(client, id));
        }
        // What is still prepared would be part of what is measured next.
        return daemon.await_full_pool(client);
    }
};

base::Result<void> launch_many(std::vector<Lane>& lanes, References& references, Pool pool, unsigned count) {
    for (Lane& lane : lanes) {
        BASE_TRY(lane.set_pool(pool == Pool::warm ? 2 * warm_level : 0, pool == Pool::warm ? 256 : 0));
        BASE_TRY(lane.daemon.await_full_pool(lane.client));
    }
    for (unsigned done = 0; done < count; done += block) {
        BASE_TRY(references.measure());
        for (Lane& lane : lanes) {
            BASE_TRY(lane.launch(pool, std::min(block, count - done)));
        }
    }
    return {};
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

void add_process_goals(Report& report, const Lane& lane, const std::vector<double>& cli, const References& references) {
    const double spawn = median(references.spawn_us);
    const double warm = median(lane.warm.client_us);
    report.add_goal("warm p50 / spawn p50", warm / spawn, 0.25);
    report.add_goal("warm p99 / spawn p50", percentile(lane.warm.client_us, 0.99) / spawn, 1.0);
    report.add_goal("warm p50 / bare limit p50 (aim)", warm / median(references.wake_us), 5.0);
    report.add_goal("empty pool p50 / spawn p50", median(lane.empty.client_us) / spawn, 2.0);
    report.add_goal("CLI p50 / spawn p50", median(cli) / spawn, 5.0);
}

void add_kvm_goal(Report& report, const Lane& kvm, const Lane& process, const References& references) {
    if (references.first_run_us.empty()) {
        return;
    }
    const double warm = median(kvm.warm.client_us);
    const double beside = median(process.warm.client_us);
    const double bare = median(references.first_run_us);
    const double limit = 1.5 * bare + beside;
    report.add("limit, p50", "bare_first_run", bare, "us");
    report.add("limit, p50", "process_warm", beside, "us");
    report.add("limit, p50", "1.5_bare_plus_process", limit, "us");
    report.add("limit, p50", "warm", warm, "us");
    report.add_goal("warm p50 / (1.5 x bare first KVM_RUN p50 + process warm p50)", warm / limit, 1.0);
}

void add_device_goal(Report& report, const Lane& devices, const Lane& plain) {
    devices.warm.describe(report, "API, warm pool, a vif and a vbd");
    devices.empty.describe(report, "API, empty pool, a vif and a vbd");
    constexpr double limit_us = 30;
    report.add_goal("what a vif and a vbd add to warm p50, us",
                    median(devices.warm.client_us) - median(plain.warm.client_us), limit_us);
}

base::Result<std::vector<Lane>> start_lanes(const std::string& driver) {
    std::vector<Lane> lanes;
    BASE_ASSIGN(auto measured, Lane::start(driver));
    lanes.push_back(std::move(measured));
    if (lanes.front().daemon.driver() == "kvm") {
        BASE_ASSIGN(auto beside, Lane::start("process"));
        lanes.push_back(std::move(beside));
    }
    BASE_ASSIGN(auto with_devices, Lane::start(driver, Devices::vif_and_vbd));
    lanes.push_back(std::move(with_devices));
    return lanes;
}

base::Result<Report> run(const Options& options) {
    BASE_ASSIGN(auto references, References::open());
    BASE_ASSIGN(auto lanes, start_lanes(options.text("hypervisor")));
    const unsigned count = options.number("count");
    BASE_TRY(launch_many(lanes, references, Pool::warm, count));
    BASE_TRY(launch_many(lanes, references, Pool::empty, count / 4));
    Lane& measured = lanes.front();
    BASE_ASSIGN(const auto cli, launch_by_cli(measured.daemon, measured.client, count / 10));

    const std::string& driver = measured.daemon.driver();
    Report report("launch", driver);
    references.describe(report);
    measured.warm.describe(report, "API, warm pool");
    measured.empty.describe(report, "API, empty pool");
    report.add_times("CLI process, warm pool", cli);
    if (driver == "process") {
        add_process_goals(report, measured, cli, references);
    }
    add_device_goal(report, lanes.back(), measured);
    for (const Lane& beside : std::span(lanes).subspan(1, lanes.size() - 2)) {
        beside.warm.describe(report, beside.daemon.driver() + " driver: API, warm pool");
        beside.empty.describe(report, beside.daemon.driver() + " driver: API, empty pool");
        add_kvm_goal(report, measured, beside, references);
    }
    return report;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Options options(argc, argv, {{"count", "2000"}, {"hypervisor", "auto"}});
    return bench::publish(bench::run(options), options.text("json"));
}
