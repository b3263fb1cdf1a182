// SPDX-License-Identifier: Apache-2.0
// chaos
#include "chaos/cli/verb.hpp"

int main(int argc, char** argv) {
    return chaos::cli::run_command_line(argc, argv);
}
