// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace split {

using base::Result;

/// Makes `path` and what is missing above it, `path` itself for its owner only (0700).
Result<void> make_private_dir(const std::string& path);

/// The names in directory `path`, without "." and "..", in no order.
Result<std::vector<std::string>> list_dir(const std::string& path);

}  // namespace split
