// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace chaos {

/// configs/vm.schema.json as it was when this was built.
std::string_view vm_schema();

/// The same on one line, for the API.
std::string_view vm_schema_line();

}  // namespace chaos
