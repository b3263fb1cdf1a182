// SPDX-License-Identifier: Apache-2.0
// vm.json to split::VmConfig. docs/configuration.md lists every key.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "chaos/config/node.hpp"
#include "split-toolstack/vm_config.hpp"

namespace chaos {

/// What surrounds a configuration.
struct VmSource {
    std::string label;                       ///< what errors call it; empty: the path
    std::span<const std::string> overrides;  ///< key=value arguments
    std::string base;                        ///< folder of relative paths in overrides and inline configurations
};

/// Reads and checks the file `path`. Relative paths in it are relative to its folder, those in overrides to `base`.
Result<split::VmConfig> load_vm_file(const std::string& path, const VmSource& source);

/// Checks the text of a configuration, relative paths in it being relative to `directory` (empty: an error).
Result<split::VmConfig> parse_vm_text(std::string_view text, std::string_view directory, const VmSource& source);

/// Checks a configuration that is part of a bigger text, a request.
Result<split::VmConfig> read_vm_value(const json::Value& value, std::string_view text, const VmSource& source);

/// The keys that the object at `path` may have ("", "vcpus", "xen", "console", "vifs", "vbds"): what the schema says.
std::span<const std::string_view> vm_keys(std::string_view path);

}  // namespace chaos
