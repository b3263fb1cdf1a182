// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "guest-shims/frontends/sysctl.hpp"
#include "guest-shims/platform/platform.hpp"
#include "guest-shims/runtime/boot_info.hpp"
#include "guest-shims/runtime/device_page.hpp"
#include "guest-shims/runtime/format.hpp"
#include "guest-shims/runtime/heap.hpp"

namespace guest {

/// Exit codes that the runtime itself uses.
inline constexpr std::int32_t exit_out_of_memory = 12;  // ENOMEM
inline constexpr std::int32_t exit_bad_boot_info = 70;  // sysexits.h: EX_SOFTWARE
inline constexpr std::int32_t exit_panic = 71;

/// Something that has work to do whenever the guest would sleep: a network stack.
class Service {
 public:
    /// Works for a bounded time. Lowers `timeout` to when it wants to be called again. Returns false where there is more
    /// to do at once. Not called again from within itself.
    virtual bool work(std::optional<Nanoseconds>& timeout) = 0;

 protected:
    constexpr Service() = default;
    ~Service() = default;
};

/// All that a guest has: made by the entry code, lives on its stack.
class System {
 public:
    /// `image_end`: first address behind the image; the heap begins there.
    System(Platform& platform, const BootInfo& boot, std::uint64_t image_end);

    Platform& platform() { return platform_; }
    const BootInfo& boot() const { return boot_; }
    std::string_view cmdline() const { return boot_.cmdline; }
    const DevicePageReader& devices() const { return devices_; }
    Heap& heap() { return heap_; }

    /// Tells the toolstack that the guest is up.
    void ready() { sysctl_.ready(); }

    /// Sleeps until something happens or `timeout` is over; may return for no reason. Honours requests to power off
    /// or reboot: then it does not return. The service works before.
    PortSet wait(std::optional<Nanoseconds> timeout = std::nullopt);

    /// At most one; null: none.
    void set_service(Service* service) { service_ = service; }

    /// Memory from the heap. Where there is none, the guest ends with the reason out_of_memory.
    void* allocate(std::size_t size);

    [[noreturn]] void shutdown(noxs::wire::ShutdownReason reason, std::int32_t exit_code);

    /// The guest's own bug: says so where there is a console, and ends with the reason crash.
    [[noreturn]] void panic(std::string_view why);
    void set_panic_sink(TextSink* sink) { panic_sink_ = sink; }

 private:
    Platform& platform_;
    BootInfo boot_;
    DevicePageReader devices_;
    Heap heap_;
    Sysctl sysctl_;
    TextSink* panic_sink_{nullptr};
    Service* service_{nullptr};
};

/// The guest itself: one per image, in guests/. What it returns is its exit code.
std::int32_t run(System& system);

}  // namespace guest
