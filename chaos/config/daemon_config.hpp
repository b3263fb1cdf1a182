// SPDX-License-Identifier: Apache-2.0
// chaosd.json. docs/configuration.md lists every key.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "split-toolstack/toolstack.hpp"

namespace chaos {

/// Bounds on what clients can make the daemon hold.
struct Limits {
    unsigned connections{256};                ///< at once
    unsigned create_count{16384};             ///< domains of one domain.create
    base::Bytes request{base::mib(1)};        ///< one line
    base::Bytes replies{base::mib(1)};        ///< unread replies of a client, then its requests wait
    base::Bytes notifications{base::mib(4)};  ///< unread bytes of a client, then it is disconnected
    unsigned events{4096};                    ///< past events that events.subscribe can replay
    friend bool operator==(const Limits&, const Limits&) = default;
};

/// Everything that chaosd can be told.
struct DaemonConfig {
    std::string socket;     ///< empty: see default_socket
    std::string state_dir;  ///< empty: "state" beside the socket
    std::string hypervisor{"auto"};
    std::string log_level{"info"};
    std::string log_file;     ///< empty: stderr, or chaosd.log beside the socket when daemonized
    unsigned max_domains{0};  ///< 0: what the host allows
    std::chrono::milliseconds shutdown_grace{std::chrono::seconds(5)};
    std::vector<split::FlavourSettings> pool{split::FlavourSettings{}};
    Limits limits;
};

/// Reads and checks chaosd.json. Relative paths in it are relative to its folder.
base::Result<DaemonConfig> load_daemon_file(const std::string& path);
base::Result<DaemonConfig> parse_daemon_text(std::string_view text, std::string_view directory, std::string label);

/// $CHAOS_SOCKET, else /run/chaos/api.sock for root, else $XDG_RUNTIME_DIR/chaos/api.sock; without that variable
/// /tmp/chaos-<uid>/api.sock.
std::string default_socket();

/// "error", "warn", "info", "debug": what --log-level and "log_level" may say.
std::span<const std::string_view> log_level_names();

}  // namespace chaos
