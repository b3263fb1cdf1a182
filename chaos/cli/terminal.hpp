// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <termios.h>

#include <optional>

namespace chaos::cli {

/// Key by key input without echo or signals, for as long as it lives. Does nothing where `fd` is no terminal.
class RawTerminal {
 public:
    explicit RawTerminal(int fd);
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    bool active() const { return before_.has_value(); }

 private:
    int fd_;
    std::optional<termios> before_;
};

/// Lines of the terminal behind `fd`; 0: it is none.
unsigned terminal_lines(int fd);

}  // namespace chaos::cli
