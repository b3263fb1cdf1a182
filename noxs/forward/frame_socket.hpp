// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

namespace noxs::forward {

/// Room for a burst of frames on the way out: a full window of TCP for several connections at once. Without privilege
/// it is as much as net.core.wmem_max allows.
inline void widen(int socket) {
    const int bytes = 2 << 20;
    if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
        static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));
    }
}

}  // namespace noxs::forward
