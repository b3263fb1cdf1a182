// SPDX-License-Identifier: Apache-2.0
// chaosd
#include <cstdio>
#include <utility>

#include "base/log.hpp"
#include "chaos/config/file.hpp"
#include "chaos/daemon/daemon.hpp"
#include "chaos/daemon/daemonize.hpp"
#include "chaos/daemon/options.hpp"
#include "chaos/daemon/runtime_dir.hpp"
#include "chaos/daemon/signals.hpp"
#include "chaos/version.hpp"

namespace {

using chaos::DaemonMode;
using chaos::DaemonOptions;

int exit_status(const base::Error& error) {
    const bool usage = error.code == base::Code::invalid_argument || error.code == base::Code::invalid_config;
    return usage ? 2 : 1;
}

base::Result<void> serve(const DaemonOptions& options, chaos::Background& background) {
    const chaos::DaemonConfig& config = options.config;
    const std::string directory = chaos::directory_of(config.socket);
    BASE_TRY(chaos::make_private_directory(directory));
    if (!config.log_file.empty()) {
        BASE_TRY(chaos::redirect_output(config.log_file));
    }
    BASE_ASSIGN(const auto lock, chaos::InstanceLock::acquire(directory, config.socket));
    base::set_log_level(base::level_from_name(config.log_level).value_or(base::Level::info));
    chaos::raise_limits();
    BASE_ASSIGN(base::Fd stop, chaos::termination_signals());
    BASE_ASSIGN(const auto daemon, chaos::Daemon::open(config, std::move(stop)));
    base::log(base::Level::info, "listening on " + config.socket);
    background.ready();
    daemon->run();
    base::log(base::Level::info, "stopping");
    return {};
}

base::Result<int> run(int argc, char** argv, chaos::Background& background) {
    BASE_ASSIGN(const DaemonOptions options, chaos::parse_daemon_options(argc, argv));
    switch (options.mode) {
        case DaemonMode::show_help: std::fputs(chaos::daemon_usage(), stdout); return 0;
        case DaemonMode::show_version: std::printf("chaosd %s\n", chaos::version); return 0;
        case DaemonMode::check_config: std::puts("the configuration is good"); return 0;
        case DaemonMode::run: break;
    }
    if (options.daemonize) {
        BASE_ASSIGN(const auto parent_status, background.enter());
        if (parent_status) {
            return *parent_status;
        }
    }
    BASE_TRY(serve(options, background));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    chaos::Background background;
    const auto status = run(argc, argv, background);
    if (status) {
        return *status;
    }
    const int failed = exit_status(status.error());
    if (!background.failed(status.error().message, failed)) {
        std::fprintf(stderr, "chaosd: %s\n", status.error().message.c_str());
    }
    return failed;
}
