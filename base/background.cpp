// SPDX-License-Identifier: Apache-2.0
#include "base/background.hpp"

#include <unistd.h>

#include <cerrno>

namespace base {

Result<void> go_on_in_background() {
    const pid_t child = ::fork();
    if (child < 0) {
        return fail_errno(errno, "fork");
    }
    if (child > 0) {
        ::_exit(0);
    }
    ::setsid();
    return {};
}

}  // namespace base
