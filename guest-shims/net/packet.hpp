// SPDX-License-Identifier: Apache-2.0
// Fields of frames, at any alignment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace guest {

using Mac = std::uint8_t[6];

inline constexpr std::size_t ethernet_size = 14;
inline constexpr std::size_t ipv4_size = 20;
inline constexpr std::size_t arp_size = 28;
inline constexpr std::uint16_t type_ipv4 = 0x0800;
inline constexpr std::uint16_t type_arp = 0x0806;
inline constexpr std::uint8_t protocol_icmp = 1;
inline constexpr std::uint8_t protocol_tcp = 6;
inline constexpr std::uint8_t protocol_udp = 17;

inline std::uint16_t load16(const std::byte* at) {
    std::uint16_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return __builtin_bswap16(value);
}
inline std::uint32_t load32(const std::byte* at) {
    std::uint32_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}
inline void store16(std::byte* at, std::uint16_t value) {
    value = __builtin_bswap16(value);
    __builtin_memcpy(at, &value, sizeof value);
}
inline void store32(std::byte* at, std::uint32_t value) {
    value = __builtin_bswap32(value);
    __builtin_memcpy(at, &value, sizeof value);
}

inline std::uint32_t address_of(const std::uint8_t (&bytes)[4]) {
    return load32(reinterpret_cast<const std::byte*>(bytes));
}
inline std::uint32_t mask_of(std::uint8_t prefix) {
    return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
}

inline void put_ethernet(std::byte* frame, const Mac& to, const Mac& from, std::uint16_t type) {
    __builtin_memcpy(frame, to, sizeof to);
    __builtin_memcpy(frame + 6, from, sizeof from);
    store16(frame + 12, type);
}

/// Short frames without the start-up cost of a string instruction. Both have room for a multiple of 8.
inline void copy_frame(std::byte* to, const std::byte* from, std::size_t size) {
    if (size > 256) {
        __builtin_memcpy(to, from, size);
        return;
    }
    for (std::size_t i = 0; i < size; i += 8) {
        std::uint64_t word;
        __builtin_memcpy(&word, from + i, sizeof word);
        __builtin_memcpy(to + i, &word, sizeof word);
    }
}

}  // namespace guest
