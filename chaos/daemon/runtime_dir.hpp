// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace chaos {

/// Held by the one chaosd of a runtime directory for as long as it lives; the kernel lets it go with the process.
class InstanceLock {
 public:
    /// An error that names the pid when another chaosd holds it. One that serves `socket` no more (or not yet) is
    /// given `patience_s` seconds to let go: a daemon that was stopped still has shells to destroy.
    static base::Result<InstanceLock> acquire(const std::string& directory, const std::string& socket,
                                              unsigned patience_s = 5);

 private:
    explicit InstanceLock(base::Fd file) : file_(std::move(file)) {}
    base::Fd file_;
};

/// Raises the limits of descriptors and processes as far as this process may.
void raise_limits();

}  // namespace chaos
