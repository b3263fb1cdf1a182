// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "chaos/config/node.hpp"
#include "split-toolstack/vm_config.hpp"

namespace chaos {

/// What the readers of single keys fill in, and what they resolve paths against.
struct VmReader {
    split::VmConfig config;
    std::string_view directory;           ///< of relative paths in the document; empty: they are errors
    std::string_view argument_directory;  ///< of relative paths in overrides; empty: they are errors
};

/// A path that is not empty, made absolute.
Result<void> read_path(const Node& node, const VmReader& reader, std::string& into);

/// Reads every key of vm.json. Which keys must be there is the caller's business.
Result<void> read_vm_fields(const Node& root, VmReader& reader);

}  // namespace chaos
