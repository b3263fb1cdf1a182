// SPDX-License-Identifier: Apache-2.0
// What fault.cpp does with memory that is not the guest's, and with all that is.
#pragma once

#include "guest-shims/frontends/system.hpp"

namespace guest {

/// Outside everything that a guest has, on every driver.
inline constexpr std::uintptr_t wild_address = 0xdead0000;

[[noreturn]] inline void idle(System& system) {
    for (;;) {
        system.wait();
    }
}

inline void wild_read(System&) {
    static_cast<void>(*reinterpret_cast<volatile const std::uint64_t*>(wild_address));
}

inline void wild_write(System&) {
    *reinterpret_cast<volatile std::uint64_t*>(wild_address) = 1;
}

inline void jump(System&) {
    reinterpret_cast<void (*)()>(wild_address)();
}

/// An address that the compiler does not know to be null.
inline std::uintptr_t null_address() {
    std::uintptr_t address = 0;
    asm("" : "+r"(address));
    return address;
}

inline void null_write(System&) {
    *reinterpret_cast<volatile std::uint64_t*>(null_address()) = 1;
}

inline void null_jump(System&) {
    reinterpret_cast<void (*)()>(null_address())();
}

/// Behind RAM, where the kvm driver keeps the page tables.
inline void page_table_write(System& system) {
    std::uint64_t end = 0;
    for (const auto& entry : system.boot().memory_map) {
        end = entry.type == base::memmap_ram ? entry.addr + entry.size : end;
    }
    *reinterpret_cast<volatile std::uint64_t*>(end) = ~std::uint64_t{0};
}

[[gnu::noinline]] inline unsigned recurse(unsigned depth) {
    volatile char frame[512];
    frame[0] = static_cast<char>(depth);
    if (depth == 0xffffffff) {
        return 0;
    }
    return recurse(depth + 1) + static_cast<unsigned>(frame[0]);
}

inline void stack_overflow(System& system) {
    if (recurse(0) == 0) {
        idle(system);
    }
}

inline void memory(System& system) {
    constexpr std::size_t chunk = 16 * 1024;
    for (;;) {
        auto* p = static_cast<volatile char*>(system.allocate(chunk));
        for (std::size_t i = 0; i < chunk; i += base::page_size) {
            p[i] = 1;
        }
    }
}

}  // namespace guest
