// SPDX-License-Identifier: Apache-2.0
// Devices of a PC that have ports (QEMU, hw/i386).
#pragma once

#include <cstdint>

namespace guest::pvh {

inline constexpr std::uint16_t pit_channel2 = 0x42;
inline constexpr std::uint16_t pit_command = 0x43;
inline constexpr std::uint16_t pit_gate = 0x61;  // bit 0: channel 2 counts; bit 1: speaker; bit 5: channel 2 is done
inline constexpr std::uint16_t com1_data = 0x3f8;
inline constexpr std::uint16_t com1_line_status = 0x3fd;  // bit 5: room for a byte
inline constexpr std::uint16_t acpi_pm1a_control = 0x604;

inline void out8(std::uint16_t port, std::uint8_t value) {
    asm volatile("outb %0, %1" : : "a"(value), "d"(port) : "memory");
}

inline void out16(std::uint16_t port, std::uint16_t value) {
    asm volatile("outw %0, %1" : : "a"(value), "d"(port) : "memory");
}

inline std::uint8_t in8(std::uint16_t port) {
    std::uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "d"(port) : "memory");
    return value;
}

}  // namespace guest::pvh
