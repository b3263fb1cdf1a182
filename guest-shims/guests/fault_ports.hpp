// SPDX-License-Identifier: Apache-2.0
// What fault.cpp does with I/O ports and instructions that a guest of the kvm driver may not use, or not so. On the
// process driver they are forbidden altogether.
#pragma once

#include "guest-shims/frontends/system.hpp"
#include "guest-shims/platform/kvm/ports.hpp"
#include "hypervisor/kvm/kvm_abi.hpp"

namespace guest {

namespace kvm_abi = hypervisor::kvm::abi;

/// A PC's port for power-on diagnostics: not the guest's.
inline constexpr std::uint16_t undefined_port = 0x80;

/// Writes `count` words of memory to `port` with one instruction.
inline void out_string(std::uint16_t port, const std::uint32_t* words, std::size_t count) {
    asm volatile("rep outsl" : "+S"(words), "+c"(count) : "d"(port) : "memory");
}

inline void halt(System&) {
    asm volatile("hlt" : : : "memory");
}

inline void port_io(System&) {
    kvm::out32<undefined_port>(0);
}

/// Reads a port that may only be written.
inline void port_in(System&) {
    std::uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(kvm_abi::port_wait) : "memory");
}

/// The right port, a byte of it.
inline void port_byte(System&) {
    asm volatile("outb %b0, %1" : : "a"(0), "Nd"(kvm_abi::port_doorbell) : "memory");
}

/// Half of one port and half of the next.
inline void port_between(System&) {
    static_assert(kvm_abi::port_entropy == kvm_abi::port_shutdown + 4);
    kvm::out32<kvm_abi::port_shutdown + 2>(0);
}

/// Rings many times with one instruction, then does what is one exit in the same way.
inline void string_io(System&) {
    static std::uint32_t words[1024];
    for (unsigned round = 0; round < 64; ++round) {
        out_string(kvm_abi::port_doorbell, words, 1024);
    }
    out_string(kvm_abi::port_entropy, words, 1024);
    out_string(undefined_port, words, 1024);
}

/// Ends itself many times, each time with another code.
inline void shutdown_string(System&) {
    static const std::uint32_t codes[4]{7, 8, 9, 10};
    out_string(kvm_abi::port_shutdown, codes, 4);
}

/// Starts every vCPU that there is or is not, at nothing, again and again.
inline void start_vcpu_flood(System&) {
    for (std::uint32_t number = UINT32_MAX - kvm_abi::max_vcpus;; ++number) {
        kvm::out32<kvm_abi::port_start_vcpu>(number % 1024 == 1023 ? number << 16 : number);
    }
}

}  // namespace guest
