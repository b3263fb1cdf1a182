// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/host.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <string>

namespace hypervisor::xen {

namespace {

struct Device {
    const char* path;
    const char* module;
};
constexpr std::array devices{Device{"/dev/xen/privcmd", "xen-privcmd"}, Device{"/dev/xen/evtchn", "xen-evtchn"},
                             Device{"/dev/xen/gntdev", "xen-gntdev"}};

std::string first_line(const char* path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

bool runs_on_xen() {
    return first_line("/sys/hypervisor/type") == "xen" || ::access("/proc/xen", F_OK) == 0;
}

Result<void> check_device(const Device& device) {
    if (::access(device.path, R_OK | W_OK) == 0) {
        return {};
    }
    const std::string path = device.path;
    if (errno == EACCES || errno == EPERM) {
        return base::fail(base::Code::permission_denied, path + ": permission denied; run chaosd as root");
    }
    return base::fail(base::Code::unavailable,
                      path + " is missing: load its kernel module (modprobe " + device.module + ")");
}

base::Bytes pages(std::uint64_t count) {
    return base::Bytes{count * base::page_size};
}

std::string version_of(const Toolstack& toolstack) {
    const int version = ::xc_version(toolstack.control(), XENVER_version, nullptr);
    xen_extraversion_t extra{};
    ::xc_version(toolstack.control(), XENVER_extraversion, extra);
    return "Xen " + std::to_string(version >> 16) + "." + std::to_string(version & 0xffff) + extra;
}

void note_missing(const Toolstack& toolstack, const xc_physinfo_t& info, std::vector<std::string>& notes) {
    xen_capabilities_info_t guests{};
    ::xc_version(toolstack.control(), XENVER_capabilities, guests);
    if (std::string_view(guests).find("hvm-3.0-x86_64") == std::string_view::npos) {
        notes.emplace_back(
            "Xen can run no PVH guests here, only PV ones: turn on virtualisation (VT-x or AMD-V) in the firmware");
    } else if ((info.capabilities & XEN_SYSCTL_PHYSCAP_hap) == 0) {
        notes.emplace_back("no hardware-assisted paging: guests use shadow page tables, which are slower");
    }
}

}  // namespace

Result<void> check_host() {
    if (!runs_on_xen()) {
        return base::fail(base::Code::unavailable,
                          "this machine does not run Xen (no /sys/hypervisor); docs/xen.md says how to get there");
    }
    for (const auto& device : devices) {
        BASE_TRY(check_device(device));
    }
    const auto capabilities = first_line("/proc/xen/capabilities");
    if (!capabilities.empty() && capabilities.find("control_d") == std::string::npos) {
        return base::fail(base::Code::unavailable, "this is a guest of Xen, not dom0: guests are made from dom0");
    }
    return {};
}

Result<Host> describe_host(const Toolstack& toolstack) {
    xc_physinfo_t info{};
    if (::xc_physinfo(toolstack.control(), &info) != 0) {
        if (errno == EPERM) {
            return base::fail(base::Code::permission_denied,
                              "Xen does not let this domain make guests: chaosd must run in dom0");
        }
        return base::fail(xen_error(errno, "asking Xen about this machine"));
    }
    Host host;
    host.hap = (info.capabilities & XEN_SYSCTL_PHYSCAP_hap) != 0;
    auto& can = host.capabilities;
    can.name = "xen";
    can.version = version_of(toolstack);
    can.isolation = "hardware isolation: a guest is a Xen domain (PVH)";
    can.max_vcpus = 128;  // HVM_MAX_VCPUS
    can.max_domains = base::first_reserved_domid - 1;
    can.max_domains_limit = "Xen's domain ids (DOMID_FIRST_RESERVED)";
    can.min_memory = base::mib(2);
    can.max_memory = pages(info.total_pages);
    can.foreign_kernels = true;
    note_missing(toolstack, info, can.notes);
    return host;
}

Result<HostInfo> memory_of_host(const Toolstack& toolstack) {
    xc_physinfo_t info{};
    if (::xc_physinfo(toolstack.control(), &info) != 0) {
        return base::fail(xen_error(errno, "asking Xen about its memory"));
    }
    return HostInfo{pages(info.total_pages), pages(info.free_pages)};
}

}  // namespace hypervisor::xen
