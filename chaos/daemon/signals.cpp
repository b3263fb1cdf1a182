// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/signals.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace chaos {

namespace {

// A signal handler can be handed nothing: the one global of the program.
std::atomic<int> wake_fd{-1};

void on_signal(int) {
    const int saved = errno;
    const std::uint64_t one = 1;
    (void)!::write(wake_fd.load(), &one, sizeof one);
    errno = saved;
}

void on_ignored(int) {}

}  // namespace

base::Result<base::Fd> termination_signals() {
    base::Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) {
        return base::fail_errno(errno, "eventfd");
    }
    wake_fd = event.get();
    struct sigaction action {};
    action.sa_flags = SA_RESTART;
    for (const int signal : {SIGTERM, SIGINT}) {
        action.sa_handler = on_signal;
        ::sigaction(signal, &action, nullptr);
    }
    for (const int signal : {SIGPIPE, SIGHUP}) {
        action.sa_handler = on_ignored;
        ::sigaction(signal, &action, nullptr);
    }
    return event;
}

}  // namespace chaos
