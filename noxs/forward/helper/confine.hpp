// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"

namespace noxs::forward {

/// Gives up for good what forwarding does not need: every capability but CAP_NET_BIND_SERVICE, new privileges, core
/// dumps, and all system calls but a few. It can listen and accept TCP, and neither connect to anything, nor open a
/// file, nor start a program: libslirp reads what hostile guests send.
base::Result<void> confine();

}  // namespace noxs::forward
