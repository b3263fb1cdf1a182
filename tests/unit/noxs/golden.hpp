// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace test_support {

/// One file of tests/golden/noxs/v1/: its name and the bytes of a structure with every field set to a value of its own.
struct Golden {
    std::string name;
    std::string bytes;
};

/// Every structure of wire format version 1, rendered by this build.
std::vector<Golden> render_golden();

}  // namespace test_support
