// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/start_info.hpp"

#include <array>
#include <cstring>
#include <string>

namespace hypervisor {

namespace {

/// Appends objects to a page and hands out the guest-physical addresses where they lie.
class PageCursor {
 public:
    PageCursor(std::span<std::byte, base::page_size> page, std::uint64_t gpa) : page_(page), gpa_(gpa) {}

    std::uint64_t put(std::span<const std::byte> bytes) {
        used_ = (used_ + 7) & ~std::size_t{7};
        const auto at = gpa_ + used_;
        if (bytes.size() > page_.size() - used_) {
            overflow_ = true;
            return at;
        }
        std::memcpy(page_.data() + used_, bytes.data(), bytes.size());
        used_ += bytes.size();
        return at;
    }
    template <class T>
    std::uint64_t put_array(std::span<const T> items) {
        return put(std::as_bytes(items));
    }
    std::uint64_t put_text(std::string_view text) {
        const auto at = put(std::as_bytes(std::span(text)));
        put_nul();
        return at;
    }
    std::size_t used() const { return used_; }
    bool overflow() const { return overflow_; }

 private:
    void put_nul() {
        if (used_ == page_.size()) {
            overflow_ = true;
            return;
        }
        page_[used_++] = std::byte{0};
    }

    std::span<std::byte, base::page_size> page_;
    std::uint64_t gpa_;
    std::size_t used_{sizeof(base::HvmStartInfo)};
    bool overflow_{false};
};

}  // namespace

base::Result<std::size_t> render_start_info(std::span<std::byte, base::page_size> page, std::uint64_t page_gpa,
                                            const StartInfoSpec& spec) {
    if (spec.cmdline.size() > max_cmdline) {
        return base::fail(base::Code::invalid_argument, "command line of " + std::to_string(spec.cmdline.size()) +
                                                            " bytes; at most " + std::to_string(max_cmdline) + " fit");
    }
    PageCursor cursor(page, page_gpa);
    std::array<base::HvmModule, 2> modules{};
    std::uint32_t count = 0;
    if (spec.ramdisk_size != 0) {
        modules[count++] = {spec.ramdisk_gpa, spec.ramdisk_size, 0, 0};
    }
    modules[count++] = {spec.device_page_gpa, base::page_size, cursor.put_text(base::noxs_module_cmdline), 0};

    base::HvmStartInfo info{};
    info.magic = base::hvm_start_magic;
    info.version = 1;
    info.nr_modules = count;
    info.modlist_paddr = cursor.put_array(std::span<const base::HvmModule>(modules.data(), count));
    info.memmap_paddr = cursor.put_array(spec.memmap);
    info.memmap_entries = static_cast<std::uint32_t>(spec.memmap.size());
    info.cmdline_paddr = cursor.put_text(spec.cmdline);
    if (cursor.overflow()) {
        return base::fail(base::Code::invalid_argument, "boot information does not fit into one page");
    }
    std::memcpy(page.data(), &info, sizeof info);
    return cursor.used();
}

}  // namespace hypervisor
