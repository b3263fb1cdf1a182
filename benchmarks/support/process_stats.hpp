// SPDX-License-Identifier: Apache-2.0
// What /proc says about memory and CPU.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct MemoryUse {
    double pss_kib{0};
    double private_kib{0};
};

/// From /proc/<pid>/smaps_rollup; zeros when the process is gone.
MemoryUse memory_of(pid_t pid);

/// The number behind "`name`:" at the start of a line of such a file (KiB in most of them); 0 when it is not there.
double field(const std::string& text, const std::string& name);

/// MemAvailable of the machine.
double available_kib();

/// CPU time used by a process so far, in nanoseconds (all threads); 0 when it is gone.
std::uint64_t cpu_ns(pid_t pid);

/// CPU time that anything on this machine used so far, in seconds, to the hundredth.
double machine_cpu_seconds();

/// All descendants.
std::vector<pid_t> descendants_of(pid_t pid);

/// Processes whose executable is `path`, among those that have `word` on their command line.
std::vector<pid_t> processes_of(const std::string& path, const std::string& word);

/// Contents of a small file of /proc, empty when it can't be read.
std::string slurp(const std::string& path);

}  // namespace bench
