// SPDX-License-Identifier: Apache-2.0
// The guest's side of the device page. Header-only and freestanding: no libc, no allocation, no exceptions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "noxs/shared.hpp"
#include "noxs/wire/device_page.hpp"

namespace noxs {

enum class PageError : std::uint8_t {
    none,
    bad_magic,       ///< not a noxs device page
    bad_version,     ///< a version that this reader does not speak
    bad_entry_size,  ///< entries are not wire::DeviceEntry
    bad_count,       ///< more slots than a page has
    busy,            ///< the writer did not settle within the attempts
};

constexpr bool known_type(wire::DeviceType type) {
    return type >= wire::DeviceType::sysctl && type <= wire::DeviceType::vbd;
}

/// A checked copy of a device page (4 KiB: no place for it on a small stack). Read again when the generation of the
/// page is no longer `generation()`.
class PageReader {
 public:
    PageReader() { copy_.generation = copy_.count = 0; }

    /// Attempts to get a copy between two equal, even generations before `busy`.
    static constexpr unsigned default_attempts = 64;

    /// Copies and checks `page`, which is page aligned and may change meanwhile. After an error the list is empty.
    PageError read(const wire::DevicePage& page, unsigned attempts = default_attempts) {
        copy_.count = 0;
        if (const PageError error = check_identity(page); error != PageError::none) {
            return error;
        }
        for (; attempts > 0; --attempts) {
            const PageError error = try_copy(page);
            if (error != PageError::busy) {
                return error;
            }
        }
        return PageError::busy;
    }

    /// The generation of the copy.
    std::uint32_t generation() const { return copy_.generation; }

    /// Calls `visit(const wire::DeviceEntry&)` for every device of a known type, in the order of the slots.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (std::uint32_t i = 0; i < copy_.count; ++i) {
            if (known_type(copy_.entries[i].type)) {
                visit(copy_.entries[i]);
            }
        }
    }

    /// The device of this type and id, or null. Valid until the next `read`.
    const wire::DeviceEntry* find(wire::DeviceType type, std::uint32_t id) const {
        const wire::DeviceEntry* found = nullptr;
        for_each([&](const wire::DeviceEntry& entry) {
            if (found == nullptr && entry.type == type && entry.id == id) {
                found = &entry;
            }
        });
        return found;
    }

 private:
    static PageError check_identity(const wire::DevicePage& page) {
        if (load_acquire(page.magic) != wire::magic) {
            return PageError::bad_magic;
        }
        if (load_acquire(page.version) != wire::version) {
            return PageError::bad_version;
        }
        return load_acquire(page.entry_size) == sizeof(wire::DeviceEntry) ? PageError::none : PageError::bad_entry_size;
    }

    PageError try_copy(const wire::DevicePage& page) {
        const std::uint32_t before = load_acquire(page.generation);
        if (before % 2 != 0) {
            return PageError::busy;
        }
        const std::uint32_t count = load_acquire(page.count);
        const std::uint32_t slots = count <= wire::max_devices ? count : 0;
        for (std::uint32_t i = 0; i < slots; ++i) {
            copy_entry(page.entries[i], copy_.entries[i]);
        }
        if (load_acquire(page.generation) != before) {
            return PageError::busy;
        }
        copy_.generation = before;
        copy_.count = slots;
        return slots == count ? PageError::none : PageError::bad_count;
    }

    /// Each field once, and none after the second look at the generation: that is why all are acquired.
    static void copy_entry(const wire::DeviceEntry& from, wire::DeviceEntry& to) {
        to.type = load_acquire(from.type);
        to.flags = load_acquire(from.flags);
        to.id = load_acquire(from.id);
        to.backend = load_acquire(from.backend);
        to.reserved0 = load_acquire(from.reserved0);
        to.control_ref = load_acquire(from.control_ref);
        to.port = load_acquire(from.port);
        to.reserved1 = load_acquire(from.reserved1);
        to.control_gfn = load_acquire(from.control_gfn);
    }

    wire::DevicePage copy_;  // generation, count and the first `count` entries are valid after a successful read
};

}  // namespace noxs
