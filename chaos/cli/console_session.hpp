// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "chaos/cli/client.hpp"

namespace chaos::cli {

/// Joins standard input and output with the console of `target` (name or id) until the guest has ended or the person
/// at the terminal detaches with Ctrl-]. The end of standard input that is no terminal ends nothing: output goes on.
/// A guest that reboots is followed. Returns the exit status: 0 detached or powered off, 1 ended in another way.
base::Result<int> run_console(Client& client, std::string target, bool history);

}  // namespace chaos::cli
