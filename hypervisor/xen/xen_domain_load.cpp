// SPDX-License-Identifier: Apache-2.0
// Execute: the image and what it is told. Hot: for an image in the window no hypercall.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "hypervisor/start_info.hpp"
#include "hypervisor/xen/foreign_loader.hpp"
#include "hypervisor/xen/memory_plan.hpp"
#include "hypervisor/xen/shell_builder.hpp"
#include "hypervisor/xen/xen_domain.hpp"

namespace hypervisor::xen {

namespace {

/// The piece of RAM that is mapped while a shell is prepared: images are linked at 1 MiB, and ours end well inside.
constexpr std::uint64_t image_window_size = 128 << 10;

}  // namespace

Result<void> XenDomain::open_image_window() {
    const auto size = std::min(image_window_size, low_ram_end(layout_.memory) - abi::ram_gpa);
    BASE_ASSIGN(window_, toolstack().map(id_, base::gfn_of(abi::ram_gpa), size / base::page_size));
    // Xen hands out scrubbed pages, but promises no value in them.
    std::memset(window_.data(), 0, window_.size());
    return {};
}

Result<void> XenDomain::clear(std::uint64_t gpa, std::uint64_t size) {
    if (size == 0) {
        return {};
    }
    BASE_ASSIGN(const auto pages, map_range(gpa, size));
    std::memset(pages.data() + gpa % base::page_size, 0, size);
    return {};
}

Result<std::uint64_t> XenDomain::place_ramdisk(const Image& image, std::span<const std::byte> ramdisk) {
    const auto size = (ramdisk.size() + base::page_size - 1) & ~(base::page_size - 1);
    const auto end = low_ram_end(layout_.memory);
    if (size > end || end - size < image.end_gpa) {
        return base::fail(base::Code::invalid_image, "ramdisk of " + std::to_string(ramdisk.size()) +
                                                         " bytes does not fit behind the image into " +
                                                         std::to_string(end) + " bytes of memory");
    }
    BASE_TRY(write(end - size, ramdisk));
    return end - size;
}

/// The window is zero already; what lies beyond it is mapped, cleared and written here.
Result<void> XenDomain::place_image(const Image& image) {
    const auto window_end = abi::ram_gpa + window_.size();
    if (image.end_gpa > window_end) {
        const auto begin = std::max(image.begin_gpa, window_end);
        BASE_TRY(clear(begin, image.end_gpa - begin));
    }
    const auto in_window = image.load_gpa >= window_end ? 0 : std::min(image.bytes.size(), window_end - image.load_gpa);
    if (in_window != 0) {
        std::memcpy(window_.data() + (image.load_gpa - abi::ram_gpa), image.bytes.data(), in_window);
    }
    if (in_window != image.bytes.size()) {
        return write(image.load_gpa + in_window, image.bytes.subspan(in_window));
    }
    return {};
}

Result<void> XenDomain::write_start_info(const BootParams& params, std::uint64_t ramdisk_gpa) {
    const auto map = ram_map(layout_.memory);
    const StartInfoSpec spec{params.cmdline, abi::device_page_gpa, ramdisk_gpa, params.ramdisk.size(),
                             std::span(map.entries, map.count)};
    auto* page = find_window(abi::start_info_gpa, base::page_size);
    BASE_TRY(
        render_start_info(std::span<std::byte, base::page_size>(page, base::page_size), abi::start_info_gpa, spec));
    return {};
}

Result<void> XenDomain::load_native(const Image& image, const BootParams& params) {
    if (image.entry_pvh == 0) {
        return base::fail(base::Code::invalid_image,
                          "the image has no PVH entry (ELF note \"Xen\" type 18), which the xen driver needs");
    }
    if (image.begin_gpa < abi::ram_gpa || image.end_gpa > low_ram_end(layout_.memory)) {
        return base::fail(base::Code::invalid_image, "the image does not fit into the domain's memory");
    }
    std::uint64_t ramdisk_gpa = 0;
    if (!params.ramdisk.empty()) {
        BASE_ASSIGN(ramdisk_gpa, place_ramdisk(image, params.ramdisk));
    }
    BASE_TRY(place_image(image));
    BASE_TRY(write_start_info(params, ramdisk_gpa));
    boot_page().entry = static_cast<std::uint32_t>(image.entry_pvh);
    std::atomic_ref(boot_page().loaded).store(1, std::memory_order_release);
    return {};
}

Result<void> XenDomain::load(const Image& image, const BootParams& params) {
    if (loaded_ || dead_) {
        return base::fail(base::Code::bad_state, "the domain has an image already, or has ended");
    }
    if (image.kind != tag_.kind) {
        return base::fail(base::Code::internal, "an image of another kind than its shell");
    }
    if (native()) {
        if (!window_) {  // a shell of an earlier daemon
            BASE_TRY(open_image_window());
        }
        BASE_TRY(load_native(image, params));
    } else {
        const auto console = base::EvtchnPort{locals_.empty() ? 0U : 1U};
        BASE_ASSIGN(const auto info, ask());
        BASE_TRY(load_foreign(toolstack(), id_, {image, params, layout_.memory, info.max_vcpu_id + 1, console}));
        tag_.loaded = true;
        BASE_TRY(set_tag(toolstack(), id_, tag_));
    }
    loaded_ = true;
    return {};
}

}  // namespace hypervisor::xen
