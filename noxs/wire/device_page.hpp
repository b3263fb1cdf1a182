// SPDX-License-Identifier: Apache-2.0
// noxs wire format, version 1: the device page. Freestanding, self-contained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace noxs::wire {

inline constexpr std::uint32_t magic = 0x53584f4e;  // "NOXS", little endian
inline constexpr std::uint16_t version = 1;
inline constexpr std::size_t page_size = 4096;

/// Numbers are forever. A reader skips types that it does not know.
enum class DeviceType : std::uint16_t {
    none = 0,
    sysctl = 1,
    console = 2,
    vif = 3,
    vbd = 4,
};

struct DeviceEntry {
    DeviceType type;            //  0  none: the slot is empty
    std::uint16_t flags;        //  2  0 in version 1
    std::uint32_t id;           //  4  unique among the entries of one type
    std::uint16_t backend;      //  8  domain id of the backend
    std::uint16_t reserved0;    // 10
    std::uint32_t control_ref;  // 12  grant of the control page, seeded by the toolstack
    std::uint32_t port;         // 16  event channel port, in the guest's numbering
    std::uint32_t reserved1;    // 20
    std::uint64_t control_gfn;  // 24  guest frame of the control page
};
static_assert(sizeof(DeviceEntry) == 32 && offsetof(DeviceEntry, id) == 4 && offsetof(DeviceEntry, backend) == 8);
static_assert(offsetof(DeviceEntry, control_ref) == 12 && offsetof(DeviceEntry, port) == 16);
static_assert(offsetof(DeviceEntry, control_gfn) == 24);
static_assert(std::has_unique_object_representations_v<DeviceEntry>);

inline constexpr std::size_t max_devices = 127;

/// One per guest, written by the toolstack only and never read back by it. Slots 0 .. count-1 are in use or empty
/// (type none), never beyond. The writer makes `generation` odd, writes, and makes it even again: a reader copies the
/// page between two equal, even reads of `generation`.
struct DevicePage {
    std::uint32_t magic;               //  0
    std::uint16_t version;             //  4
    std::uint16_t entry_size;          //  6  sizeof(DeviceEntry)
    std::uint32_t generation;          //  8
    std::uint32_t count;               // 12  at most max_devices
    std::uint64_t reserved[2];         // 16
    DeviceEntry entries[max_devices];  // 32
};
static_assert(sizeof(DevicePage) == page_size && offsetof(DevicePage, generation) == 8);
static_assert(offsetof(DevicePage, count) == 12 && offsetof(DevicePage, entries) == 32);
static_assert(std::has_unique_object_representations_v<DevicePage>);

}  // namespace noxs::wire
