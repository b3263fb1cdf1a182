// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace chaos {

inline constexpr std::size_t max_config_bytes = 1 << 20;

/// Reads a configuration file of at most `max_config_bytes`. `label` is what errors call it.
base::Result<std::string> read_config_file(const std::string& path, std::string_view label);

/// `path` made absolute by putting `directory` in front where it is relative.
std::string absolute_path(std::string_view path, std::string_view directory);

/// The folder of `path`, "." when it names none.
std::string directory_of(std::string_view path);

/// The folder of `path`, absolute. Hot for absolute paths: no system call.
std::string folder_of_file(const std::string& path);

/// Makes `directory` with mode 0700, its missing parents with 0755. One that exists stays as it is, and must belong to
/// the caller: in a directory of somebody else, that one could put what he likes in our place.
base::Result<void> make_private_directory(const std::string& directory);

/// The working directory of this process.
std::string working_directory();

}  // namespace chaos
