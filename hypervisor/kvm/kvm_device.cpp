// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/kvm/kvm_device.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <string>

namespace hypervisor::kvm {

namespace {

constexpr const char* path = "/dev/kvm";

std::string hint(int error) {
    switch (error) {
        case ENOENT:
        case ENODEV:
        case ENXIO:
            return " (load the module kvm_intel or kvm_amd; if that fails, turn virtualisation on in the firmware, or "
                   "nested virtualisation on the host of this machine)";
        case EACCES:
        case EPERM: return " (add this user to the group that owns it, `kvm` on Debian, or run as root)";
        default: return "";
    }
}

}  // namespace

base::Result<base::Fd> open_device() {
    base::Fd device(::open(path, O_RDWR | O_CLOEXEC));
    if (!device) {
        auto error = base::sys_error(errno, path);
        error.message += hint(error.sys_errno);
        return base::fail(std::move(error));
    }
    const int version = ::ioctl(device.get(), KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        return base::fail(base::Code::unsupported, std::string(path) + " is not KVM of API version " +
                                                       std::to_string(KVM_API_VERSION) + " (it answers " +
                                                       std::to_string(version) + ")");
    }
    return device;
}

}  // namespace hypervisor::kvm
