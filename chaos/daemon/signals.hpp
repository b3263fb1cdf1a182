// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"

namespace chaos {

/// A descriptor that becomes readable when SIGTERM or SIGINT has come. SIGPIPE is taken and dropped, SIGHUP too.
/// Handlers, not a blocked mask and signalfd: what this process executes must not inherit it. Once per process.
base::Result<base::Fd> termination_signals();

}  // namespace chaos
