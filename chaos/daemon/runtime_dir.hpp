// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace chaos {

/// Makes `directory` with mode 0700 (its missing parents with 0755). One that exists stays as it is.
base::Result<void> make_directory(const std::string& directory);

/// Held by the one chaosd of a runtime directory for as long as it lives; the kernel lets it go with the process.
class InstanceLock {
 public:
    /// An error that names the pid when another chaosd holds it. `socket`: what that error calls it.
    static base::Result<InstanceLock> acquire(const std::string& directory, const std::string& socket);

 private:
    explicit InstanceLock(base::Fd file) : file_(std::move(file)) {}
    base::Fd file_;
};

/// Raises the limits of descriptors and processes as far as this process may.
void raise_limits();

}  // namespace chaos
