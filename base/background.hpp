// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"

namespace base {

/// Goes on in a child process with a session of its own; the calling process ends with status 0. Who started it waits for
/// that: what was made before this call is there by then. For programs with one thread. Error: of fork.
Result<void> go_on_in_background();

}  // namespace base
