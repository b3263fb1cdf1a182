// SPDX-License-Identifier: Apache-2.0
// What the host says about processes, memory and limits (/proc, getrlimit).
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.hpp"

namespace hypervisor::process {

struct Usage {
    std::uint64_t cpu_time_us{0};
    base::Bytes resident;
};

/// Of the process `pid`; zeros when it is gone.
Usage usage_of_process(std::int32_t pid);

/// Memory of the host.
base::Bytes host_memory();

/// How often the host's out-of-memory killer has struck so far (/proc/vmstat oom_kill); 0 where it is not told.
std::uint64_t oom_kills();

struct DomainLimit {
    unsigned domains{0};
    std::string because;  ///< the limit that sets it, with its name and value
};

/// How many domains fit under the limits of this process and of chaos-hv (whose descriptor limit is
/// `hv_descriptors`).
DomainLimit domain_limit(std::uint64_t hv_descriptors, unsigned tasks_per_domain);

}  // namespace hypervisor::process
