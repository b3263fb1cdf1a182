// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "hypervisor/hypervisor.hpp"
#include "split-toolstack/vm_config.hpp"

namespace split {

/// What a shell is made for: a guest gets one of exactly its shape, so that it has the devices that it was configured
/// with and no other.
struct Shape {
    base::Bytes memory;
    unsigned vcpus{1};
    unsigned vifs{0};
    unsigned vbds{0};
    hypervisor::GuestKind kind{hypervisor::GuestKind::native};
    friend bool operator==(const Shape&, const Shape&) = default;
};

/// Control pages of every native guest beyond those of its devices, for devices that are attached later. One that nobody
/// uses costs an address and no memory.
inline constexpr unsigned spare_control_pages = 4;
/// sysctl and console.
inline constexpr unsigned basic_devices = 2;
/// The most vifs and vbds that a guest can be created with.
inline constexpr unsigned max_data_devices = hypervisor::max_control_pages - basic_devices - spare_control_pages;

/// "4 MiB and 1 vcpus", "4 MiB, 1 vcpus, 1 vifs and 0 vbds".
std::string text_of(const Shape& shape);

inline Shape shape_of(const VmConfig& config, hypervisor::GuestKind kind) {
    return {.memory = config.memory,
            .vcpus = config.vcpus,
            .vifs = static_cast<unsigned>(config.vifs.size()),
            .vbds = static_cast<unsigned>(config.vbds.size()),
            .kind = kind};
}

/// The shell that serves guests of `shape`: a control page each for sysctl, console, vifs and vbds.
inline hypervisor::ShellSpec shell_spec(const Shape& shape) {
    const unsigned data = shape.vifs + shape.vbds;
    hypervisor::ShellSpec spec{.memory = shape.memory, .vcpus = shape.vcpus, .kind = shape.kind};
    if (shape.kind == hypervisor::GuestKind::native) {
        spec.control_pages = basic_devices + data + spare_control_pages;
        spec.spare_pages = spare_control_pages;
        spec.data_lane = data != 0;
    }
    return spec;
}

}  // namespace split
