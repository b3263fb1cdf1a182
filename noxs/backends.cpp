// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "noxs/backends/sysctl.hpp"

namespace noxs {

namespace {

using Made = Result<std::unique_ptr<Backend>>;

Made make_sysctl(BackendParams params, Origin origin) {
    auto* make = origin == Origin::fresh ? SysctlBackend::create : SysctlBackend::adopt;
    return make(params.domain, params.entry, std::move(params.control), params.listener);
}

Made make_console(BackendParams params, Origin origin) {
    auto* make = origin == Origin::fresh ? ConsoleBackend::create : ConsoleBackend::adopt;
    return make(params.domain, params.entry, std::move(params.control), params.listener,
                {std::move(params.console_log), params.console_log_capacity, params.console_throttle});
}

struct TypeInfo {
    wire::DeviceType type;
    std::string_view name;
    Made (*make)(BackendParams, Origin);  // null: its backend is the data plane's
};

constexpr std::array types{
    TypeInfo{wire::DeviceType::sysctl, "sysctl", make_sysctl},
    TypeInfo{wire::DeviceType::console, "console", make_console},
    TypeInfo{wire::DeviceType::vif, "vif", nullptr},
    TypeInfo{wire::DeviceType::vbd, "vbd", nullptr},
};

const TypeInfo* info_of(wire::DeviceType type) noexcept {
    const auto* found = std::ranges::find(types, type, &TypeInfo::type);
    return found == types.end() ? nullptr : found;
}

}  // namespace

std::string_view type_name(wire::DeviceType type) noexcept {
    const TypeInfo* info = info_of(type);
    return info == nullptr ? "unknown" : info->name;
}

Result<void> check_supported(wire::DeviceType type) {
    const TypeInfo* info = info_of(type);
    if (info == nullptr) {
        return base::fail(base::Code::unsupported,
                          "no backend for devices of type " + std::to_string(static_cast<unsigned>(type)));
    }
    return {};
}

Result<std::unique_ptr<Backend>> make_backend(BackendParams params, Origin origin) {
    const wire::DeviceType type = params.entry.type;
    BASE_TRY(check_supported(type));
    const TypeInfo& info = *info_of(type);
    if (info.make == nullptr) {
        return base::fail(base::Code::unsupported, "the data plane serves " + std::string(info.name) + " devices");
    }
    return info.make(std::move(params), origin);
}

}  // namespace noxs
