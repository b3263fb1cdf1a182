// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/system.hpp"

#include <utility>

namespace guest {

namespace wire = noxs::wire;

System::System(Platform& platform, const BootInfo& boot, std::uint64_t image_end)
    : platform_(platform),
      boot_(boot),
      devices_(boot.device_page),
      heap_(boot.free_ram(image_end)),
      sysctl_(platform, devices_.first(wire::DeviceType::sysctl)) {}

PortSet System::wait(std::optional<Nanoseconds> timeout) {
    // A service that writes to the console waits in here too: then it is not called again.
    Service* const service = std::exchange(service_, nullptr);
    const bool idle = service == nullptr || service->work(timeout);
    service_ = service;
    if (idle) {
        platform_.wait(timeout);
    }
    const PortSet pending = platform_.take_pending();
    if (const auto request = sysctl_.request()) {
        sysctl_.acknowledge(*request);
        const bool reboot = *request == wire::SysctlRequest::reboot;
        shutdown(reboot ? wire::ShutdownReason::reboot : wire::ShutdownReason::power_off, 0);
    }
    return pending;
}

void* System::allocate(std::size_t size) {
    void* memory = heap_.allocate(size);
    if (memory == nullptr) {
        shutdown(wire::ShutdownReason::out_of_memory, exit_out_of_memory);
    }
    return memory;
}

void System::shutdown(wire::ShutdownReason reason, std::int32_t exit_code) {
    sysctl_.shutdown(reason, exit_code);
}

void System::panic(std::string_view why) {
    if (panic_sink_ != nullptr) {
        format(*panic_sink_, "panic: {}\n", why);
    }
    shutdown(wire::ShutdownReason::crash, exit_panic);
}

}  // namespace guest
