// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/un.h>

#include <string_view>

#include "base/result.hpp"

namespace chaos::rpc {

/// The address of a unix socket; an error when `path` is longer than such an address can hold.
base::Result<sockaddr_un> unix_address(std::string_view path);

}  // namespace chaos::rpc
