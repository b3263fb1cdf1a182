// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace chaos {

/// The way from a foreground command to a background daemon: the command returns only when the daemon is ready, with
/// its exit status.
class Background {
 public:
    /// Forks. In the parent: waits for the child's word, prints its error if that is what it says, and returns the
    /// exit status. In the child, now in a session of its own: returns nothing. Before any thread is started.
    base::Result<std::optional<int>> enter();

    /// Child: tells the parent that all is well.
    void ready();
    /// Child: hands the parent an error to print. Returns false when there is no parent to tell (foreground).
    bool failed(std::string_view message, int status);

 private:
    base::Fd to_parent_;
};

/// Appends standard error (and output) to `path`.
base::Result<void> redirect_output(const std::string& path);

}  // namespace chaos
