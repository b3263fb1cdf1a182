// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "base/result.hpp"
#include "chaos/json/value.hpp"

namespace chaos {

/// Puts each "path.to.key=value" of `arguments` into the object `root`, over what is there. A value that is JSON is
/// taken as such, anything else as a string. Only the form is checked here: what it means is checked with the rest of
/// the document, and errors there name the argument.
base::Result<void> apply_overrides(json::Value& root, std::span<const std::string> arguments);

}  // namespace chaos
