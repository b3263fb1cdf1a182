// SPDX-License-Identifier: Apache-2.0
// The one table of device types that have a backend in this build: a new device type is one line in backends.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "noxs/backend.hpp"
#include "noxs/backends/console.hpp"
#include "noxs/wire/device_page.hpp"

namespace noxs {

/// The stable name of a type ("console"); of an unknown one "unknown".
std::string_view type_name(wire::DeviceType type) noexcept;

/// Error `unsupported` when this build has no backend for devices of this type.
Result<void> check_supported(wire::DeviceType type);

/// Where a control page comes from.
enum class Origin : std::uint8_t {
    fresh,    ///< all zero, no guest runs yet: the backend writes its half (prepare)
    adopted,  ///< in use by a guest; another daemon's backend left it (restart)
};

/// What a backend is made of. `domain` and `listener` outlive it.
struct BackendParams {
    hypervisor::Domain& domain;
    wire::DeviceEntry entry;
    base::Mapping control;  ///< of the control page, at least wire::page_size bytes
    BackendListener& listener;
    std::string console_log;  ///< path of the kept console output; its folder exists
    base::Bytes console_log_capacity{default_log_capacity};
    ConsoleThrottle console_throttle{};
};

/// Makes the backend of one device. Errors: unsupported (also for vif and vbd: DataPlane::add), invalid_argument (control
/// page too small). What a guest wrote into an adopted page never makes it fail.
Result<std::unique_ptr<Backend>> make_backend(BackendParams params, Origin origin);

/// `backend` as its concrete class (SysctlBackend, ConsoleBackend), or null when it is of another type.
template <class Concrete>
Concrete* backend_as(Backend* backend) {
    return backend != nullptr && backend->type() == Concrete::device_type ? static_cast<Concrete*>(backend) : nullptr;
}

}  // namespace noxs
