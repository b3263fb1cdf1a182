// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/xen/host.hpp"

#include <cerrno>
#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "benchmarks/support/process_stats.hpp"

namespace bench::xen {
namespace {

constexpr std::uint32_t infos_per_call = 256;
constexpr double kib_per_page = 4;

// Ports are handed out from the lowest free one, so a look at the first ones finds all, and more than that is a leak.
constexpr std::uint32_t ports_to_look_at = 16384;

void look_at_process(pid_t pid, Use& into) {
    const std::string folder = "/proc/" + std::to_string(pid);
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/fd", failed)) {
        static_cast<void>(entry);
        ++into.descriptors;
    }
    std::istringstream maps(slurp(folder + "/maps"));
    for (std::string line; std::getline(maps, line);) {
        ++into.maps;
        into.grant_maps += line.ends_with("/dev/xen/gntdev") ? 1 : 0;
        into.foreign_maps += line.ends_with("/dev/xen/privcmd") ? 1 : 0;
    }
}

}  // namespace

base::Result<Host> Host::open() {
    xc_interface* control = ::xc_interface_open(nullptr, nullptr, 0);
    if (control == nullptr) {
        return base::fail_errno(errno, "/dev/xen/privcmd");
    }
    return Host(control);
}

base::Result<double> Host::free_kib() const {
    xc_physinfo_t info{};
    if (::xc_physinfo(control_.get(), &info) != 0) {
        return base::fail_errno(errno, "xc_physinfo");
    }
    return static_cast<double>(info.free_pages) * kib_per_page;
}

base::Result<void> Host::count_domains(Use& into) const {
    std::vector<xc_domaininfo_t> infos(infos_per_call);
    for (std::uint32_t first = 1;;) {
        const int count = ::xc_domain_getinfolist(control_.get(), first, infos_per_call, infos.data());
        if (count < 0) {
            return base::fail_errno(errno, "xc_domain_getinfolist");
        }
        for (int i = 0; i < count; ++i) {
            into.dying += (infos[static_cast<std::size_t>(i)].flags & XEN_DOMINF_dying) != 0 ? 1 : 0;
        }
        into.domains += static_cast<unsigned>(count);
        if (static_cast<std::uint32_t>(count) < infos_per_call) {
            return {};
        }
        first = infos.back().domain + 1U;
    }
}

base::Result<Use> Host::use(pid_t chaosd) const {
    Use use;
    BASE_ASSIGN(use.free_kib, free_kib());
    BASE_TRY(count_domains(use));
    xc_evtchn_status_t status{};
    status.dom = DOMID_SELF;
    for (status.port = 0; status.port < ports_to_look_at; ++status.port) {
        if (::xc_evtchn_status(control_.get(), &status) != 0) {
            break;  // beyond the last port that was ever used
        }
        use.dom0_ports += status.status != EVTCHNSTAT_closed ? 1 : 0;
    }
    look_at_process(chaosd, use);
    return use;
}

}  // namespace bench::xen
