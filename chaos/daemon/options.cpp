// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/options.hpp"

#include <getopt.h>

#include <algorithm>
#include <array>

#include "chaos/config/file.hpp"
#include "chaos/config/node.hpp"

namespace chaos {

namespace {

enum Option { config_file = 256, socket_path, state_dir, hypervisor_name, log_level, log_file };

constexpr option long_options[] = {
    {"config", required_argument, nullptr, config_file},
    {"socket", required_argument, nullptr, socket_path},
    {"state-dir", required_argument, nullptr, state_dir},
    {"hypervisor", required_argument, nullptr, hypervisor_name},
    {"log-level", required_argument, nullptr, log_level},
    {"log-file", required_argument, nullptr, log_file},
    {"foreground", no_argument, nullptr, 'f'},
    {"daemonize", no_argument, nullptr, 'd'},
    {"check-config", no_argument, nullptr, 'c'},
    {"version", no_argument, nullptr, 'V'},
    {"help", no_argument, nullptr, 'h'},
    {nullptr, 0, nullptr, 0},
};

struct Arguments {
    DaemonOptions options;
    std::string config, socket, state, hypervisor, level, log;
};

std::unexpected<base::Error> wrong(std::string what) {
    return base::fail(base::Code::invalid_argument, what + "; see chaosd --help");
}

base::Result<void> take(Arguments& into, int option, const char* given) {
    const std::string value = given == nullptr ? "" : given;
    switch (option) {
        case config_file: into.config = value; break;
        case socket_path: into.socket = value; break;
        case state_dir: into.state = value; break;
        case hypervisor_name: into.hypervisor = value; break;
        case log_level: into.level = value; break;
        case log_file: into.log = value; break;
        case 'f': into.options.daemonize = false; break;
        case 'd': into.options.daemonize = true; break;
        case 'c': into.options.mode = DaemonMode::check_config; break;
        case 'V': into.options.mode = DaemonMode::show_version; break;
        default: into.options.mode = DaemonMode::show_help; break;
    }
    if (given != nullptr && value.empty()) {
        return wrong("an option has an empty value");
    }
    return {};
}

base::Result<void> merge(Arguments& arguments) {
    DaemonConfig& config = arguments.options.config;
    if (!arguments.config.empty()) {
        BASE_ASSIGN(config, load_daemon_file(arguments.config));
    }
    const std::string here = working_directory();
    const auto override_path = [&](std::string& into, const std::string& given) {
        into = given.empty() ? into : absolute_path(given, here);
    };
    override_path(config.socket, arguments.socket);
    override_path(config.state_dir, arguments.state);
    override_path(config.log_file, arguments.log);
    config.hypervisor = arguments.hypervisor.empty() ? config.hypervisor : arguments.hypervisor;
    const auto levels = log_level_names();
    if (!arguments.level.empty() && std::find(levels.begin(), levels.end(), arguments.level) == levels.end()) {
        return wrong("--log-level: got '" + arguments.level + "'; expected error, warn, info or debug");
    }
    config.log_level = arguments.level.empty() ? config.log_level : arguments.level;
    if (config.socket.empty()) {
        config.socket = absolute_path(default_socket(), here);
    }
    if (config.state_dir.empty()) {
        config.state_dir = directory_of(config.socket) + "/state";
    }
    if (config.log_file.empty() && arguments.options.daemonize) {
        config.log_file = directory_of(config.socket) + "/chaosd.log";
    }
    return {};
}

}  // namespace

base::Result<DaemonOptions> parse_daemon_options(int argc, char** argv) {
    Arguments arguments;
    opterr = 0;
    while (true) {
        const int at = optind;
        const int option = ::getopt_long(argc, argv, "+:hV", long_options, nullptr);
        if (option == -1) {
            break;
        }
        if (option == '?' || option == ':') {
            const std::string argument = at < argc ? argv[at] : "";
            return wrong(option == ':' ? "'" + argument + "' needs a value" : "unknown option '" + argument + "'");
        }
        BASE_TRY(take(arguments, option, optarg));
    }
    if (optind < argc) {
        return wrong("unexpected argument '" + std::string(argv[optind]) + "'");
    }
    if (arguments.options.mode == DaemonMode::run || arguments.options.mode == DaemonMode::check_config) {
        BASE_TRY(merge(arguments));
    }
    return std::move(arguments.options);
}

const char* daemon_usage() {
    return R"(chaosd: the daemon behind chaos. It starts by itself when chaos needs it.

Usage: chaosd [options]
  --config FILE        settings (see configs/chaosd.json); options below win over it
  --socket PATH        where to listen; default $CHAOS_SOCKET, else /run/chaos/api.sock for root,
                       $XDG_RUNTIME_DIR/chaos/api.sock otherwise
  --state-dir DIR      what must survive the daemon; default: "state" beside the socket
  --hypervisor NAME    driver, or "auto" (default) for the best one that works here
  --log-level LEVEL    error, warn, info (default) or debug
  --log-file FILE      instead of stderr; default when daemonized: chaosd.log beside the socket
  --foreground         stay in the foreground (default)
  --daemonize          go to the background once clients can connect
  --check-config       check the settings and exit
  --version, --help

SIGTERM or SIGINT stop it; guests live on, and the next chaosd takes them over.
Exit status: 0 stopped as asked, 1 it can't run, 2 wrong usage or settings.
)";
}

}  // namespace chaos
