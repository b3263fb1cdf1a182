// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.hpp"

namespace bench::xen {

/// The toolstack that Xen comes with, a process for everything. Times in microseconds, from posix_spawn to the end of
/// the process.
class Xl {
 public:
    /// `kernel` is the guest; configurations are written into `folder`.
    Xl(std::string program, std::string kernel, std::string folder)
        : program_(std::move(program)), kernel_(std::move(kernel)), folder_(std::move(folder)) {}

    /// A PVH guest of 4 MiB without devices.
    base::Result<double> create(const std::string& name) const;
    base::Result<double> destroy(const std::string& name) const;
    /// Starting xl: `xl uptime`.
    base::Result<double> start() const;

 private:
    std::string program_, kernel_, folder_;
};

/// Writes a small file.
base::Result<void> write_file(const std::string& path, const std::string& text);

}  // namespace bench::xen
