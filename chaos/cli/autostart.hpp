// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.hpp"
#include "chaos/cli/client.hpp"

namespace chaos::cli {

/// Starts the chaosd beside this program (or in PATH) for `socket` and connects when it is ready. Of several at once
/// one starts it and the others wait. On failure the error holds what the daemon said.
base::Result<Client> autostart(const std::string& socket);

}  // namespace chaos::cli
