// SPDX-License-Identifier: Apache-2.0
// Networks on disk: <state_dir>/networks/<name>.json, there whole or not at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "split-toolstack/networks.hpp"

namespace split {

struct NetworkRecord {
    NetworkSettings settings;
    std::vector<Forward> forwards;
};

/// What settings must be like; the error says what is wrong. `settings.address` is set.
Result<void> check_network(const NetworkSettings& settings);

std::string_view uplink_name(UplinkKind kind) noexcept;
/// Error: the text is no uplink; says what is.
Result<UplinkKind> parse_uplink(std::string_view text);

/// `dir`: <state_dir>/networks. A file that can't be read is moved aside to "<name>.damaged", with a line in the log.
Result<std::vector<NetworkRecord>> load_networks(const std::string& dir);
Result<void> save_network(const std::string& dir, const NetworkRecord& record);
void forget_network(const std::string& dir, const std::string& name);

}  // namespace split
