// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/drivers.hpp"

#include <array>

#include "hypervisor/kvm/kvm.hpp"
#include "hypervisor/process/process_driver.hpp"
#include "hypervisor/xen/xen.hpp"

namespace hypervisor {

namespace {

struct Driver {
    std::string_view name;
    Result<std::unique_ptr<Hypervisor>> (*open)(const DriverOptions&);
};

/// Best first. A new driver adds its line here.
constexpr std::array<Driver, 3> drivers{{
    {"xen", &xen::open_driver},
    {"kvm", &kvm::open_driver},
    {"process", &process::open_driver},
}};

}  // namespace

std::vector<std::string_view> driver_names() {
    std::vector<std::string_view> names;
    for (const auto& driver : drivers) {
        names.push_back(driver.name);
    }
    return names;
}

Result<OpenedDriver> open_driver(std::string_view name, const DriverOptions& options) {
    std::vector<SkippedDriver> skipped;
    std::string reasons;
    auto code = base::Code::invalid_argument;
    for (const auto& driver : drivers) {
        if (name != "auto" && name != driver.name) {
            continue;
        }
        auto opened = driver.open(options);
        if (opened) {
            return OpenedDriver{*std::move(opened), std::move(skipped)};
        }
        if (name == driver.name) {
            return std::unexpected(std::move(opened).error());
        }
        code = opened.error().code;
        reasons += (reasons.empty() ? "" : "; ") + std::string(driver.name) + ": " + opened.error().message;
        skipped.push_back({std::string(driver.name), opened.error().message});
    }
    if (name != "auto") {
        return base::fail(base::Code::invalid_argument, "no hypervisor driver \"" + std::string(name) + "\"");
    }
    return base::fail(code, "no hypervisor driver works here: " + reasons);
}

}  // namespace hypervisor
