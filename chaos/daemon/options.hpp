// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "chaos/config/daemon_config.hpp"

namespace chaos {

enum class DaemonMode { run, show_help, show_version, check_config };

/// What chaosd was told on its command line and in its configuration file.
struct DaemonOptions {
    DaemonMode mode{DaemonMode::run};
    bool daemonize{false};
    DaemonConfig config;  ///< with socket and state_dir filled in, absolute
};

/// Arguments win over the file, the file over the defaults.
base::Result<DaemonOptions> parse_daemon_options(int argc, char** argv);

/// What `chaosd --help` prints.
const char* daemon_usage();

}  // namespace chaos
