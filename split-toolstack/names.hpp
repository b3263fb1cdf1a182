// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "split-toolstack/vm_config.hpp"

namespace split {

using base::Result;

/// A domain's name: 1 .. 63 characters of [A-Za-z0-9._-] that are not all digits (a number is always an id).
Result<void> check_name(std::string_view name);

/// Whether `name` is written as an id: digits only.
bool is_number(std::string_view name) noexcept;

/// True for well-formed UTF-8 without NUL: what a registry file and a guest's command line can hold.
bool is_clean_text(std::string_view text) noexcept;

/// The first of "xvda", "xvdb" ... that no disk of `disks` has.
std::string free_vdev(const std::vector<VbdConfig>& disks);

std::string_view action_name(EndAction action) noexcept;
std::optional<EndAction> action_from_name(std::string_view name) noexcept;

std::optional<hypervisor::GuestKind> kind_from_name(std::string_view name) noexcept;

}  // namespace split
