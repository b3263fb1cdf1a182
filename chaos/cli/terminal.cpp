// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace chaos::cli {

RawTerminal::RawTerminal(int fd) : fd_(fd) {
    termios settings{};
    if (::tcgetattr(fd, &settings) != 0) {
        return;
    }
    before_ = settings;
    settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
    settings.c_iflag &= ~static_cast<tcflag_t>(IXON);
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    ::tcsetattr(fd, TCSADRAIN, &settings);
}

RawTerminal::~RawTerminal() {
    if (before_) {
        ::tcsetattr(fd_, TCSADRAIN, &*before_);
    }
}

unsigned terminal_lines(int fd) {
    winsize size{};
    return ::isatty(fd) == 1 && ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

}  // namespace chaos::cli
