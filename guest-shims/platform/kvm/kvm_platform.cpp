// SPDX-License-Identifier: Apache-2.0
// Runs at privilege level 3 from the first instruction: every call to the driver is a write to a port.
#include "guest-shims/platform/kvm/kvm_platform.hpp"

#include <algorithm>
#include <cstring>

#include "guest-shims/platform/event_page.hpp"
#include "guest-shims/platform/kvm/ports.hpp"
#include "guest-shims/platform/kvm/timeout.hpp"
#include "guest-shims/platform/pvclock.hpp"
#include "hypervisor/kvm/kvm_abi.hpp"

namespace guest {

namespace abi = hypervisor::kvm::abi;

namespace {

static_assert(kvm_platform_id == abi::platform_id);

abi::MachinePage& machine_page() {
    return *reinterpret_cast<abi::MachinePage*>(abi::machine_page_gpa);
}

class KvmPlatform final : public EventPagePlatform {
 public:
    constexpr KvmPlatform() = default;

    std::string_view name() const override { return "kvm"; }

    /// The driver marks the vCPU as blocked and looks at the pending bits again before it sleeps: the look here only
    /// saves the exit.
    void wait(std::optional<Nanoseconds> timeout) override {
        if (!is_pending(event_page())) {
            kvm::out32<abi::port_wait>(kvm::wait_value(timeout));
        }
    }

    Nanoseconds monotonic() const override {
        return {system_time(machine_page().time, [] { return read_tsc(); })};
    }

    Nanoseconds wall_clock() const override { return {machine_page().wall_base + monotonic().value}; }

    void entropy(std::span<std::byte> out) override {
        auto& source = machine_page().entropy;
        while (!out.empty()) {
            kvm::out32<abi::port_entropy>(0);
            const std::size_t size = std::min(out.size(), sizeof source);
            std::memcpy(out.data(), source, size);
            out = out.subspan(size);
        }
    }

    unsigned vcpus() const override {
        return std::clamp(machine_page().vcpu_count, std::uint32_t{1}, std::uint32_t{abi::max_vcpus});
    }

    bool start_vcpu(unsigned index, VcpuEntry entry, void* argument, void* stack_end) override {
        const std::uint64_t bit = std::uint64_t{1} << (index % abi::max_vcpus);
        if (index == 0 || index >= vcpus() || (started_ & bit) != 0) {
            return false;
        }
        started_ |= bit;
        // The stack of a function that was just called, by nobody: one that returns faults.
        auto* stack =
            reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::uintptr_t>(stack_end) & ~std::uintptr_t{15});
        *--stack = 0;
        machine_page().vcpus[index] = {reinterpret_cast<std::uintptr_t>(entry), reinterpret_cast<std::uintptr_t>(stack),
                                       reinterpret_cast<std::uintptr_t>(argument)};
        kvm::out32<abi::port_start_vcpu>(index);
        return true;
    }

    [[noreturn]] void shutdown(std::int32_t code) override {
        kvm::out32<abi::port_shutdown>(static_cast<std::uint32_t>(code));
        __builtin_trap();
    }

 private:
    void ring_doorbell(Doorbell which) override {
        if (which == Doorbell::data) {
            kvm::out32<abi::port_data_doorbell>(0);
        } else {
            kvm::out32<abi::port_doorbell>(0);
        }
    }

    std::uint64_t started_{0};
};

constinit KvmPlatform platform;

}  // namespace

Platform& kvm_platform() {
    return platform;
}

}  // namespace guest
