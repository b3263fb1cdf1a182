// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/xen/xl.hpp"

#include <cerrno>
#include <cstdio>

#include "benchmarks/support/reference.hpp"

namespace bench::xen {

base::Result<void> write_file(const std::string& path, const std::string& text) {
    FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) {
        return base::fail_errno(errno, "open " + path);
    }
    const bool good = std::fputs(text.c_str(), file) >= 0;
    if (std::fclose(file) != 0 || !good) {
        return base::fail_errno(errno, "write " + path);
    }
    return {};
}

base::Result<double> Xl::create(const std::string& name) const {
    const std::string path = folder_ + "/" + name + ".cfg";
    BASE_TRY(write_file(path, "name = '" + name + "'\ntype = 'pvh'\nkernel = '" + kernel_ +
                                  "'\nmemory = 4\nvcpus = 1\non_poweroff = 'destroy'\non_reboot = 'destroy'\n"
                                  "on_crash = 'destroy'\n"));
    return timed_run({program_, "create", "-q", path});
}

base::Result<double> Xl::destroy(const std::string& name) const {
    return timed_run({program_, "destroy", name});
}

base::Result<double> Xl::start() const {
    return timed_run({program_, "uptime"});
}

}  // namespace bench::xen
