// SPDX-License-Identifier: Apache-2.0
// What launches are compared with, measured in the same run.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/mapping.hpp"
#include "base/result.hpp"

namespace bench {

/// Runs `argv` (posix_spawn, output to /dev/null) and waits for its end; returns microseconds. An exit code other
/// than 0 is an error.
base::Result<double> timed_run(const std::vector<std::string>& argv);

/// The bare limit: a process that was forked beforehand, sleeps on a futex, and answers through another one.
class ParkedProcess {
 public:
    static base::Result<ParkedProcess> start();
    ParkedProcess(ParkedProcess&& other) noexcept;
    ParkedProcess& operator=(ParkedProcess&&) = delete;
    ~ParkedProcess();

    /// Wakes the process, waits for its answer; returns microseconds.
    double timed_wake();

 private:
    ParkedProcess(base::Mapping page, pid_t pid) : page_(std::move(page)), pid_(pid) {}
    base::Mapping page_;
    pid_t pid_;
};

}  // namespace bench
